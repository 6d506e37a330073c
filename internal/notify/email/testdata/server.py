# A mail server for tests: aiosmtpd with STARTTLS or TLS from the start, and sign-in. It writes its port, and then a line of JSON for each
# mail that it takes. What it does with mails is the first argument: takes, refuses, busy, hangs, denies (the sign-in),
# picky (refuses bo), grey (asks to come later for bo).
import asyncio, base64, json, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

mood, security, chain, key, user, password = sys.argv[1:7]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if mood == "refuses":
            return "550 5.1.1 nobody of that name, and the password is " + password
        if mood == "picky" and address.startswith("bo@"):
            return "550 5.1.1 nobody of that name"
        if mood == "grey" and address.startswith("bo@"):
            return "450 4.2.0 later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        if mood == "busy":
            return "451 4.3.0 try later, and the password is " + password
        if mood == "hangs":
            await asyncio.sleep(3600)
        print(json.dumps({
            "helo": session.host_name, "from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None,
            "auth": bool(session.authenticated), "content": base64.b64encode(envelope.content).decode(),
        }), flush=True)
        return "250 2.0.0 OK"


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and data.login == user.encode() and data.password == password.encode()
    if mood == "denies" or not good:
        sent = base64.b64encode(b"\0" + user.encode() + b"\0" + password.encode()).decode()
        return AuthResult(success=False, handled=False, message="535 5.7.8 not with " + sent)
    return AuthResult(success=True)


async def main():
    tls = None
    if security != "none":
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(chain, key)
    starttls = security == "starttls"

    def session():
        return SMTP(Handler(), hostname="mail.example", tls_context=tls if starttls else None, require_starttls=starttls,
                    authenticator=authenticate if user else None, auth_required=bool(user), auth_require_tls=starttls)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", 0, ssl=tls if security == "tls" else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
