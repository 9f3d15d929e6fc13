// Debian's adbd asks nobody for a key and listens on every address and on vsock. Loaded before it, this turns every
// bind() into one on the loopback address, and refuses vsock.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#ifndef AF_VSOCK
#define AF_VSOCK 40
#endif

int bind(int descriptor, const struct sockaddr *address, socklen_t size) {
  int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "bind");
  struct sockaddr_storage local;
  if (real == NULL || size > sizeof local) {
    errno = EINVAL;
    return -1;
  }
  memcpy(&local, address, size);
  switch (local.ss_family) {
    case AF_INET:
      ((struct sockaddr_in *)&local)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      break;
    case AF_INET6:  // a socket for both families: the loopback of version 4, so that 127.0.0.1 reaches it
      inet_pton(AF_INET6, "::ffff:127.0.0.1", &((struct sockaddr_in6 *)&local)->sin6_addr);
      break;
    case AF_VSOCK:
      errno = EAFNOSUPPORT;
      return -1;
  }
  return real(descriptor, (struct sockaddr *)&local, size);
}
