/* Extended attributes: xattr(7), setxattr(2). */
#ifndef SHIM_ABI_XATTR_H
#define SHIM_ABI_XATTR_H

#define XATTR_NAME_MAX 255
#define XATTR_SIZE_MAX 65536
#define XATTR_LIST_MAX 65536

#define XATTR_CREATE 1u
#define XATTR_REPLACE 2u

#define XATTR_USER "user." /* the namespace */

#endif
