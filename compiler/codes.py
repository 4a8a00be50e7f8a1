"""The catalogue of diagnostic codes. A code, once released, keeps its meaning."""

from __future__ import annotations

from enum import Enum


class Code(Enum):
    """A diagnostic code. ``id`` is what users see and search for; ``title`` heads its entry in docs/diagnostics.md."""

    # text and files
    SYNTAX = "SVC001", "the text is not a statement of the language"
    UNKNOWN_STATEMENT = "SVC002", "no such statement or option"
    UNCLOSED = "SVC003", "a block, list or string is not closed"
    ENCODING = "SVC004", "the file is not UTF-8 text"
    UNREADABLE = "SVC005", "the file cannot be read"
    INCLUDE_EMPTY = "SVC006", "an include matches no file"
    INCLUDE_CYCLE = "SVC007", "files include each other"
    VERSION = "SVC008", "the language version is not supported"
    IR_INVALID = "SVC009", "the JSON does not follow the IR's schema"
    FOREIGN = "SVC080", "the file is in another program's language"
    # names
    DUPLICATE = "SVC010", "the name is declared twice"
    UNDEFINED = "SVC011", "the name is not declared"
    UNUSED = "SVC012", "the name is declared and never used"
    NAME = "SVC013", "the name cannot be used"
    NAME_TOO_LONG = "SVC014", "the name is too long for a target"
    PREFIX_TAKEN = "SVC015", "tables of the prefix's name belong to iptables"
    # statements and values
    REPEATED = "SVC020", "a statement stands twice in one block"
    MISSING = "SVC021", "a block lacks a statement that it needs"
    NOT_A_DEFAULT = "SVC022", "the statement cannot be a default"
    VALUE = "SVC023", "the value is not one of the statement's values"
    RANGE = "SVC024", "the number is out of range"
    # addresses
    ADDRESS = "SVC030", "not an IP address, or likely not the one that is meant"
    NETWORK = "SVC031", "not a network"
    HOST_BITS = "SVC032", "host bits are set in a network"
    ADDRESS_KIND = "SVC033", "the address is of a kind that cannot serve here"
    ADDRESS_ROLE = "SVC034", "one address in two roles"
    DUPLICATE_ADDRESS = "SVC035", "an address stands twice"
    SHARED_BY_SOME = "SVC036", "an address is shared in one service and not in another"
    OUTSIDE_SERVICES = "SVC037", "a vip is outside the networks of service addresses"
    # ports
    PORT = "SVC040", "not a port or a range of ports"
    PROTOCOL = "SVC041", "no such protocol"
    PORT_NAME = "SVC042", "the ports of a service need distinct names"
    PORT_CLASH = "SVC043", "the same address, protocol and port twice"
    NODEPORT_CLASH = "SVC044", "the same node port twice"
    NODEPORT_RANGE = "SVC045", "the node port is outside the cluster's node ports"
    ENDPOINT_PORT = "SVC046", "an endpoint's own port needs a service with a single port"
    DUPLICATE_ENDPOINT = "SVC047", "an endpoint stands twice in one service"
    NODEPORT_NOWHERE = "SVC048", "a node port or its network has no address that serves it"
    NODEPORT_AGAIN = "SVC049", "an endpoint is a node port"
    # services
    UNREACHABLE = "SVC050", "nothing leads to the service"
    EMPTY_FAMILY = "SVC051", "an address has no endpoint of its family"
    UNREACHED = "SVC053", "an endpoint has no address of its family before it"
    ANNOUNCE = "SVC052", "the machine cannot announce an address that it does not hold"
    NEARNESS = "SVC054", "nobody knows which endpoints are near"
    BACKUP_ALONE = "SVC055", "a backup has no endpoint to stand in for"
    CHECK = "SVC056", "no endpoint can be checked in this way"
    NO_EFFECT = "SVC057", "a setting has no effect here"
    ONE_MEMORY = "SVC058", "one memory of clients for frontends with different endpoints"
    SOURCES = "SVC059", "source addresses do not follow one another"
    # balancers
    LISTENER = "SVC085", "a balancer cannot listen in this way"
    ROUTE = "SVC086", "a balancer's route leads nowhere"
    ROUTE_CLASH = "SVC087", "two routes of a balancer are for the same"
    # targets
    UNSUPPORTED = "SVC060", "the target cannot express the statement"
    NODE_NEEDED = "SVC061", "the target needs to know the node"
    TARGET_LIMIT = "SVC062", "a limit of the target is exceeded"
    # compiled bundles and folders
    BUNDLE = "SVC065", "the bundle is not one that svcc compiled for this target"
    BUNDLE_LINE = "SVC066", "the target prints no such line"
    BUNDLE_NAME = "SVC067", "the bundle names what is not its own"
    # files of other programs
    IMPORT = "SVC090", "the file cannot be imported"
    # machines
    REFUSED = "SVC070", "the kernel or one of its tools refuses an object"

    def __init__(self, id: str, title: str) -> None:
        self.id = id
        self.title = title
