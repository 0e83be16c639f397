"""A mail server on a free port of this machine, made of aiosmtpd.

Prints one line of JSON with its port, then one for each letter that it took, read by Python's own
parser. Ends with its standard input.

Recipients called `nobody`, `later`, `busy` and `forever` are refused (550, 451, 421), or waited
on without an answer.
"""

import argparse
import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

REFUSALS = {
    "nobody": "550 5.1.1 no such mailbox",
    "later": "451 4.7.1 greylisted",
    "busy": "421 4.3.2 too busy",
}


def say(document):
    print(json.dumps(document), flush=True)


class Mailroom:
    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name == "forever":
            await asyncio.Event().wait()
        if name in REFUSALS:
            return REFUSALS[name]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        text, html = letter.get_body(["plain"]), letter.get_body(["html"])
        say(
            {
                "envelope_from": envelope.mail_from,
                "envelope_to": envelope.rcpt_tos,
                "options": envelope.mail_options,
                # After STARTTLS the one, from the first byte the other.
                "encrypted": bool(session.ssl or server.transport.get_extra_info("sslcontext")),
                "login": session.auth_data,
                "headers": [[name, str(value)] for name, value in letter.items()],
                "text": text.get_content(),
                "html": html and html.get_content(),
                "raw": envelope.content.decode(),
            }
        )
        return "250 2.0.0 taken"


def authenticator(expected):
    def check(server, session, envelope, mechanism, data):
        given = isinstance(data, LoginPassword) and b":".join([data.login, data.password])
        if given != expected.encode():
            # Not handled: the server says no by itself.
            return AuthResult(success=False, handled=False)
        return AuthResult(success=True, auth_data=data.login.decode())

    return check


async def serve(arguments):
    loop = asyncio.get_running_loop()
    context = None
    if arguments.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments.certificate, arguments.key)

    def protocol():
        starttls = arguments.security == "starttls"
        return SMTP(
            Mailroom(),
            hostname="mail.test",
            enable_SMTPUTF8=not arguments.ascii,
            tls_context=context if starttls else None,
            require_starttls=starttls,
            authenticator=authenticator(arguments.login),
            auth_required=arguments.login is not None,
            auth_require_tls=starttls,
            auth_exclude_mechanism=arguments.without or None,
            loop=loop,
        )

    implicit = context if arguments.security == "tls" else None
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=implicit)
    say({"port": server.sockets[0].getsockname()[1]})
    await loop.run_in_executor(None, sys.stdin.read)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--security", choices=["plain", "starttls", "tls"], default="plain")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--login", help="USER:PASSWORD that is asked for")
    parser.add_argument("--without", action="append", help="a mechanism that is not offered")
    parser.add_argument("--ascii", action="store_true", help="takes no SMTPUTF8")
    asyncio.run(serve(parser.parse_args()))


main()
