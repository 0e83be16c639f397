"""Signs claims as PyJWT does, and reads them back as it does: argv is the secret and the claims."""

import json
import sys

import jwt

secret, claims = sys.argv[1], json.loads(sys.argv[2])
token = jwt.encode(claims, secret, algorithm="HS256")
read = jwt.decode(
    token,
    secret,
    algorithms=["HS256"],
    audience=claims["aud"],
    issuer=claims["iss"],
    options={"require": ["exp", "iat", "nbf", "jti", "sub", "iss", "aud"]},
)
print(json.dumps({"token": token, "claims": read}))
