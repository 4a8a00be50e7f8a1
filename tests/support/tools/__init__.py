"""Tools of the tests and of the project itself: other releases of programs, fresh Debian roots, type checks."""
