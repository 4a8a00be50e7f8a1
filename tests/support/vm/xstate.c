/*
 * Debian's user-mode Linux hands ptrace() an XSAVE area of 2696 bytes. On a CPU with AMX the area has 11008, and
 * the machine's kernel refuses to set less ("ptrace set fp regs failed, errno = 14"). Preloaded, this pads what
 * user-mode Linux gives to what the machine wants.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define XSTATE 0x202

static char area[65536] __attribute__((aligned(64)));
static size_t area_size; /* as the machine's kernel has it; 0: not asked yet */

static long get_area(long pid)
{
	struct iovec whole = { area, sizeof area };
	long result = syscall(SYS_ptrace, (long)PTRACE_GETREGSET, pid, (void *)XSTATE, &whole);

	if (result >= 0)
		area_size = whole.iov_len;
	return result;
}

static long set_area(long pid, const struct iovec *given)
{
	struct iovec whole = { area, area_size };

	memset(area, 0, area_size);
	memcpy(area, given->iov_base, given->iov_len);
	return syscall(SYS_ptrace, (long)PTRACE_SETREGSET, pid, (void *)XSTATE, &whole);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list arguments;

	va_start(arguments, request);
	long pid = va_arg(arguments, pid_t);
	void *address = va_arg(arguments, void *);
	void *data = va_arg(arguments, void *);
	va_end(arguments);

	if ((request == PTRACE_GETREGSET || request == PTRACE_SETREGSET) && (long)address == XSTATE) {
		struct iovec *given = data;

		if ((request == PTRACE_GETREGSET || !area_size) && get_area(pid) < 0)
			return -1;
		if (given->iov_len > area_size)
			given->iov_len = area_size;
		if (request == PTRACE_SETREGSET)
			return set_area(pid, given);
		memcpy(given->iov_base, area, given->iov_len);
		return 0;
	}
	if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
		long word;
		long result = syscall(SYS_ptrace, (long)request, pid, address, &word);

		return result < 0 ? result : word; /* what the C library's own wrapper does */
	}
	return syscall(SYS_ptrace, (long)request, pid, address, data);
}
