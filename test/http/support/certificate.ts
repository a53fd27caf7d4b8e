import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** For `localhost`, signed by itself, P-256, good until 2126. Made with openssl for these tests alone. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUdvoBbUH0OnZO40eI4rPhLVdudo4wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTA3MjQ1MFoYDzIxMjYxMDI4
MDcyNDUwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASaim8phPzuRWHb3PORS3IjeCobeP8ncAYQ4RGQOuM1ErrUw3i1kfDv
SlqxIBNwIvhrAoK4/3pjfu+2as8kVJrco28wbTAdBgNVHQ4EFgQUQDZbKj9jwqbW
MJyqe/llOtM2jVYwHwYDVR0jBBgwFoAUQDZbKj9jwqbWMJyqe/llOtM2jVYwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgMzAVgxy6csXyWM/+qTIh286SUib/FOkCgDMbekeHKV0CIQC4
gjAYWLmFwd/XaSB0QLnMb89fwVOK8LlmQrSq+L6xfQ==
-----END CERTIFICATE-----
`;
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgLBLt3zcwRwlnsRul
DW1vySNSqt4rSNRF/V+luMMuV0qhRANCAASaim8phPzuRWHb3PORS3IjeCobeP8n
cAYQ4RGQOuM1ErrUw3i1kfDvSlqxIBNwIvhrAoK4/3pjfu+2as8kVJrc
-----END PRIVATE KEY-----
`;

/** Writes the pair into the folder. */
export async function certificateIn(
  folder: string,
): Promise<{ certFile: string; keyFile: string; certificate: string }> {
  const certFile = join(folder, 'tls.crt');
  const keyFile = join(folder, 'tls.key');
  await writeFile(certFile, CERTIFICATE);
  await writeFile(keyFile, KEY);
  return { certFile, keyFile, certificate: CERTIFICATE };
}
