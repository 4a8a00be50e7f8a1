"""A throw-away kernel with IPVS for tests marked ``vm``.

Few kernels that tests run on have ip_vs, and to load it would change somebody's machine. Where this machine's kernel
has it loaded, tests get fresh namespaces on it. Anywhere else they get a guest. Its root is this machine's file tree,
read-only below an overlay. There are two kinds of guests, and neither needs KVM:

- ``uml``, a user-mode Linux: an ordinary process, and as quick as one, but Debian's has no nf_tables for IP. There
  are two of them: Linux 6.12, and Linux 6.1, the oldest that svcc supports for IPVS, which takes twice as long. Tests
  whose result depends on the kernel's version ask for the oldest: ``vm(oldest=True)``;
- ``emulated``, Debian's cloud kernel in qemu without acceleration: it has all that svcc uses, and is about ten times
  as slow. Tests that need nf_tables beside IPVS ask for it: ``vm(nf_tables=True)``.

``python tests/vm [--oldest | --nf-tables] COMMAND...`` runs any command there.
"""
