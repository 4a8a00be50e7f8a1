"""The long-running svcc: it keeps a machine as a program says, and takes out endpoints that fail their checks."""
