#!/bin/bash
# Process 1 of the guest. Its directory is the control directory, at the same path here and on the machine:
# `settings` (MODULES, STOP, MOUNT, DIRECTORY, COMMAND) and `environment` come in, `out` and `status` go out.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
# hostfs of Linux 6.12 takes a path as its option only from mount(2). mount(8) of util-linux 2.39 and later prefers
# fsconfig(2).
export LIBMOUNT_FORCE_MOUNT2=always
control=${0%/*}
. "$control/settings"

stop() { sync; $STOP; }      # where that fails, the kernel panics when process 1 ends, and stops too
fail() { echo "init: $*"; stop; exit; }

if [ -n "$MODULES" ]; then insmod "$MODULES"/kernel/fs/overlayfs/overlay.ko* || fail "no overlayfs"; fi
mount -t tmpfs tmpfs /mnt && mkdir /mnt/upper /mnt/work /mnt/root || fail "no tmpfs"
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root || fail "no overlay"
cd /mnt/root || fail "no root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t devtmpfs dev dev
mkdir -p dev/pts dev/shm
mount -t devpts devpts dev/pts
mount -t tmpfs shm dev/shm
ln -sfn /proc/self/fd dev/fd
for link in 0:stdin 1:stdout 2:stderr; do ln -sf "/proc/self/fd/${link%:*}" "dev/${link#*:}"; done
mount -t tmpfs run run
mkdir -p run/netns run/lock lib/modules
[ -z "$MODULES" ] || ln -sfn "$MODULES" "lib/modules/$(uname -r)"
mkdir -p ".$control"
mount "${MOUNT[@]}" ".$control" || fail "no control directory"
pivot_root . mnt && cd / || fail "no pivot_root"   # not chroot: the kernel runs modprobe in the first root
umount -l /mnt
hostname svcc-vm
ip link set lo up
if [ -n "$MODULES" ]; then modprobe -q dummy numdummies=0; modprobe -aq veth bridge br_netfilter nf_conntrack ip_vs
else    # all modules are built in, and modprobe does not know them
  printf '#!/bin/sh\n' > /usr/local/sbin/modprobe && chmod 755 /usr/local/sbin/modprobe
fi

# Debian's user-mode kernel has no nftables for IP: iptables has to be the legacy one.
if nft add table ip probe 2>/dev/null; then nft delete table ip probe
else
  for tool in /usr/sbin/{iptables,ip6tables}-legacy{,-save,-restore}; do
    [ ! -e "$tool" ] || ln -sf "$tool" "/etc/alternatives/$(basename "${tool/-legacy/}")"
  done
fi

# The output is written synchronously, because hostfs keeps it in the guest until the file is closed: so the output of a
# run that hangs can be read.
write() { dd bs=64k oflag=append,sync conv=notrunc status=none of="$control/out"; }
( . "$control/environment"; cd "$DIRECTORY" || exit 125
  { "${COMMAND[@]}"; echo $? > "$control/status"; } 2>&1 | write ) </dev/null
stop
