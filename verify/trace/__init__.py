"""The tracer follows one packet through a target's artifacts. It never sees the program that they were made from.

Artifacts are read as the native tools and the kernel read them. A rule that the tracer does not know is an error
(:class:`UnknownRule`), and so is one that could not be loaded (:class:`LoadError`).
"""

from svcc.verify.trace.faults import ArtifactLine, LoadError, TraceError, UnknownRule
from svcc.verify.trace.flow import Binding, Draw, Memory, Segment, Step
from svcc.verify.trace.kernel import Kernel
from svcc.verify.trace.load import load
from svcc.verify.trace.result import End, Trace, Way, trace

__all__ = [
    "ArtifactLine",
    "Binding",
    "Draw",
    "End",
    "Kernel",
    "LoadError",
    "Memory",
    "Segment",
    "Step",
    "Trace",
    "TraceError",
    "UnknownRule",
    "Way",
    "load",
    "trace",
]
