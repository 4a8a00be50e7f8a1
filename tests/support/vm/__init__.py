"""A throw-away kernel with IPVS for tests marked ``vm``.

Few kernels that tests run on have ip_vs, and those that have it are somebody's. Where this machine's kernel has it
loaded, tests get fresh namespaces on it. Anywhere else they get a guest, with this machine's own file tree as its
root, read-only below an overlay; there are two kinds of them, and neither needs KVM:

- ``uml``, a user-mode Linux: an ordinary process, and as quick as one, but Debian's has no nf_tables for IP. There
  are two of them, Linux 6.12, and 6.1, the oldest that svcc supports for IPVS, which takes twice as long. What tells
  about the kernel asks for that: ``vm(oldest=True)``;
- ``emulated``, Debian's cloud kernel in qemu without acceleration: it has all that svcc uses, and is some ten times
  as slow. Tests that need nf_tables beside IPVS ask for it: ``vm(nf_tables=True)``.

``python tests/vm [--oldest | --nf-tables] COMMAND...`` runs any command there.
"""
