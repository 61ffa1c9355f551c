"""What redis-py takes beside host, port and db, in every version that qw works with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypedDict

if TYPE_CHECKING:
    import ssl

    from redis import ConnectionPool
    from redis.credentials import CredentialProvider

#: Seconds that Redis may take to answer, and to connect, unless the user says otherwise: what redis-py 8 has, and
#: without which a half-open connection would block a client of redis-py 5 for ever.
SOCKET_TIMEOUT: Final = 5.0


class RedisOptions(TypedDict, total=False):
    """
    Options of redis-py that `Client` passes through; what they mean is said in its documentation.

    Those about retries are not among them: redis-py repeats what may have been applied already.
    """

    username: str | None
    password: str | None
    credential_provider: CredentialProvider | None
    connection_pool: ConnectionPool | None
    unix_socket_path: str | None
    socket_timeout: float | None
    socket_connect_timeout: float | None
    socket_keepalive: bool | None
    ssl: bool
    ssl_keyfile: str | None
    ssl_certfile: str | None
    ssl_cert_reqs: str | ssl.VerifyMode
    ssl_ca_certs: str | None
    ssl_ca_path: str | None
    ssl_ca_data: str | None
    ssl_check_hostname: bool
    ssl_password: str | None
    ssl_min_version: ssl.TLSVersion | None
    ssl_ciphers: str | None
    decode_responses: bool
    encoding: str
    encoding_errors: str
    max_connections: int | None
    health_check_interval: int
    client_name: str | None
    protocol: Literal[2, 3] | None
