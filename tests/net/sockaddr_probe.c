/* What test_nameless_addresses.py calls of fastloop/net/sockaddr.h. PROBE_OTHER_KERNEL: as where names cannot begin with a zero byte. */
#include <Python.h>

#include <sys/socket.h>

#ifdef PROBE_OTHER_KERNEL
#undef SO_PEERSEC
#endif
#include "sockaddr.h"

PyObject *probe_to_python(const char *bytes, unsigned length);

PyObject *probe_to_python(const char *bytes, unsigned length)
{
    struct sockaddr_storage address;
    memset(&address, 0, sizeof(address));
    memcpy(&address, bytes, length);
    return sockaddr_to_python(&address, (socklen_t)length);
}
