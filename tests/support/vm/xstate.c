/*
 * Debian's user-mode Linux hands ptrace() an XSAVE area of 2696 bytes. On a CPU with AMX the area has 11008, and
 * the machine's kernel refuses to set less ("ptrace set fp regs failed, errno = 14"). Preloaded, this pads what
 * user-mode Linux gives to what the machine wants.
 *
 * User-mode Linux gets the area whenever one of its processes stops, and sets it whenever that process goes on, mostly to
 * the value that it has already. This asks the machine's kernel once for each stop, and sets only values that changed.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define XSTATE 0x202

static char area[65536] __attribute__((aligned(64))); /* the area of the process `owner` while it is stopped */
static size_t area_size; /* its size in the machine's kernel; 0: not asked yet */
static pid_t owner;      /* 0: no process */

static long get_area(pid_t pid)
{
	struct iovec whole = { area, sizeof area };

	if (pid == owner)
		return 0;
	owner = 0;
	long result = syscall(SYS_ptrace, (long)PTRACE_GETREGSET, (long)pid, (void *)XSTATE, &whole);

	if (result >= 0) {
		area_size = whole.iov_len;
		owner = pid;
	}
	return result;
}

static long set_area(pid_t pid, const struct iovec *given)
{
	struct iovec whole = { area, area_size };

	if (pid == owner && !memcmp(area, given->iov_base, given->iov_len))
		return 0;
	owner = 0;
	memset(area, 0, area_size);
	memcpy(area, given->iov_base, given->iov_len);
	long result = syscall(SYS_ptrace, (long)PTRACE_SETREGSET, (long)pid, (void *)XSTATE, &whole);

	if (result >= 0)
		owner = pid;
	return result;
}

static int leaves_area_alone(enum __ptrace_request request)
{
	return request == PTRACE_GETREGS || request == PTRACE_SETREGS || request == PTRACE_GETSIGINFO;
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list arguments;

	va_start(arguments, request);
	pid_t pid = va_arg(arguments, pid_t);
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
	if (pid == owner && !leaves_area_alone(request))
		owner = 0;
	if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
		long word;
		long result = syscall(SYS_ptrace, (long)request, (long)pid, address, &word);

		return result < 0 ? result : word; /* what the C library's own wrapper does */
	}
	return syscall(SYS_ptrace, (long)request, (long)pid, address, data);
}
