"""A throw-away kernel with IPVS for tests marked ``vm``.

Few kernels that tests run on have ip_vs, and those that have it are somebody's. Where this machine's kernel has it
loaded, tests get fresh namespaces on it; anywhere else they get a user-mode Linux: Debian's ``user-mode-linux``
package, an ordinary process that needs no KVM, with this machine's own file tree as its root, read-only below an
overlay. ``python tests/vm COMMAND...`` runs any command there.
"""
