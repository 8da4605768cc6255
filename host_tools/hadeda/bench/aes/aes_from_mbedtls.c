// The two files of mbedTLS that AES needs, as one unit.
#include "aes.c"
#include "platform_util.c"
