"""The kernel's subsystems, and the tools that speak to them. No module here knows the language or a target."""
