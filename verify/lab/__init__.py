"""The lab: a program's pods, clients and node in network namespaces of their own, with real servers and packets."""

from svcc.verify.lab.connection import Answer, Conversation, Failure, Result
from svcc.verify.lab.lab import Lab, Probe
from svcc.verify.lab.leftovers import sweep
from svcc.verify.lab.netns import LabError
from svcc.verify.lab.plan import CLIENT, NODE, OUTSIDE, PEER, STRANGER, Host, Listener, Plan

__all__ = [
    "CLIENT",
    "NODE",
    "OUTSIDE",
    "PEER",
    "STRANGER",
    "Answer",
    "Conversation",
    "Failure",
    "Host",
    "Lab",
    "LabError",
    "Listener",
    "Plan",
    "Probe",
    "Result",
    "sweep",
]
