"""A mail server for tests: real SMTP by aiosmtpd, and trouble where it is asked for.

    smtp_server.py FOLDER [--starttls | --implicit] [--login USER PASSWORD]

Certificates are FOLDER/cert.pem and FOLDER/key.pem. It writes its port to standard output, each
mail to FOLDER/mail-N.eml, one line per connection to FOLDER/connections, and reads FOLDER/trouble
before each answer: a JSON object from a command (EHLO, MAIL, RCPT, DATA) to an answer such as
"451 4.7.1 later", to "cut" (the connection is closed) or to a number (seconds until it answers).
"""
import asyncio
import json
import ssl
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult

FOLDER = Path(sys.argv[1])
OPTIONS = sys.argv[2:]


async def trouble(server, command):
    try:
        wanted = json.loads((FOLDER / "trouble").read_text()).get(command)
    except FileNotFoundError:
        return None
    if wanted == "cut":
        server.transport.abort()
        await asyncio.sleep(3600)
    if isinstance(wanted, (int, float)):
        await asyncio.sleep(wanted)
        return None
    return wanted


class Handler:
    mails = 0

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        answer = await trouble(server, "EHLO")
        session.host_name = hostname
        return [answer] if answer else responses

    async def handle_MAIL(self, server, session, envelope, address, options):
        envelope.mail_from = address
        return await trouble(server, "MAIL") or "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        envelope.rcpt_tos.append(address)
        return await trouble(server, "RCPT") or "250 OK"

    async def handle_DATA(self, server, session, envelope):
        Handler.mails += 1
        (FOLDER / f"mail-{Handler.mails}.eml").write_bytes(envelope.original_content)
        return await trouble(server, "DATA") or "250 OK"


class Server(SMTP):
    def connection_made(self, transport):
        super().connection_made(transport)
        with (FOLDER / "connections").open("a") as log:
            log.write("one\n")


def context():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(FOLDER / "cert.pem", FOLDER / "key.pem")
    return tls


def login(server, session, envelope, mechanism, data):
    at = OPTIONS.index("--login")
    right = [data.login.decode(), data.password.decode()] == OPTIONS[at + 1 : at + 3]
    return AuthResult(success=right, handled=False)


async def main():
    handler = Handler()
    with_login = "--login" in OPTIONS
    starttls = context() if "--starttls" in OPTIONS else None

    def protocol():
        return Server(
            handler,
            hostname="localhost",
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=login if with_login else None,
            auth_required=with_login,
            auth_require_tls=False,
            enable_SMTPUTF8=False,
            loop=asyncio.get_running_loop(),
        )

    implicit = context() if "--implicit" in OPTIONS else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=implicit)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
