"""The lab: a program's pods, clients and node in namespaces of their own, with real servers and real packets."""

from svcc.verify.lab.connection import Conversation, NoReply, Reply, Result
from svcc.verify.lab.lab import Attempt, Lab
from svcc.verify.lab.layout import CLIENT, NODE, OUTSIDE, PEER, STRANGER, LabHost, Layout, Listener
from svcc.verify.lab.leftovers import sweep
from svcc.verify.lab.netns import LabError

__all__ = [
    "CLIENT",
    "NODE",
    "OUTSIDE",
    "PEER",
    "STRANGER",
    "Attempt",
    "Conversation",
    "Lab",
    "LabError",
    "LabHost",
    "Layout",
    "Listener",
    "NoReply",
    "Reply",
    "Result",
    "sweep",
]
