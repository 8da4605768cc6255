// mbedTLS cut down to AES in ECB and CBC, its tables in flash as on a microcontroller.
#define MBEDTLS_AES_C
#define MBEDTLS_CIPHER_MODE_CBC
#define MBEDTLS_AES_ROM_TABLES
