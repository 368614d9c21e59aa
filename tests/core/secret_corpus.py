"""Secrets in the shape in which their issuers make them, from a seed. None is or was real.

Prefixes stand here in two halves, so that no scanner takes this file for a leak.
"""

import base64
import hashlib
import json
import random
import string
import uuid
from collections.abc import Callable

LETTERS = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + string.digits
LOWER = string.ascii_lowercase + string.digits
HEX = "0123456789abcdef"
URL_SAFE = LETTERS + "_-"
SEED = 20_261_125


class Maker:
    """Random parts, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def of(self, alphabet: str, length: int) -> str:
        """Letters of an alphabet; the first and last are no marks, as issuers have it."""
        plain = [letter for letter in alphabet if letter.isalnum()]
        inner = "".join(self.rng.choices(alphabet, k=length - 2))
        return self.rng.choice(plain) + inner + self.rng.choice(plain)

    def uuid(self) -> str:
        """A random UUID."""
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def base64(self, count: int) -> str:
        """So many bytes in base64."""
        return base64.b64encode(self.rng.randbytes(count)).decode()

    def jwt(self) -> str:
        """A signed token of three parts."""
        head, body = ({"alg": "HS256", "typ": "JWT"}, {"sub": self.of(LETTERS, 12), "exp": 1_800_000_000})
        parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (head, body)]
        return ".".join([*parts, self.of(URL_SAFE, 43)])

    def block(self, kind: str, lines: int = 6) -> str:
        """A key in PEM."""
        body = "\n".join(self.of(LETTERS + "+/", 64) for _ in range(lines))
        return f"-----BEGIN {kind}-----\n{body}\n{self.of(LETTERS, 20)}==\n-----END {kind}-----"


Form = Callable[[Maker], tuple[str, list[str]]]


def _whole(make: Callable[[Maker], str]) -> Form:
    def form(maker: Maker) -> tuple[str, list[str]]:
        secret = make(maker)
        return secret, [secret]

    return form


def _within(before: str, make: Callable[[Maker], str], after: str = "") -> Form:
    def form(maker: Maker) -> tuple[str, list[str]]:
        secret = make(maker)
        return f"{before}{secret}{after}", [secret]

    return form


def _token(prefix: str, alphabet: str, length: int, after: str = "") -> Form:
    return _whole(lambda m: prefix + m.of(alphabet, length) + after)


def _pem(kind: str) -> Form:
    def form(maker: Maker) -> tuple[str, list[str]]:
        block = maker.block(kind)
        return block, block.splitlines()[1:-1]

    return form


def _password(m: Maker) -> str:
    return m.of(LETTERS + "!$%*+~", 16)


TOKENS: dict[str, Form] = {
    "AWS access key id": _token("AK" + "IA", UPPER, 16),
    "AWS temporary access key id": _token("AS" + "IA", UPPER, 16),
    "AWS Bedrock key": _whole(lambda m: "AB" + "SK" + m.base64(96)),
    "AWS marketplace token": _whole(lambda m: "amzn." + "mws." + m.uuid()),
    "Google API key": _token("AI" + "za", URL_SAFE, 35),
    "Google access token": _token("ya" + "29.", URL_SAFE, 120),
    "Google refresh token": _token("1/" + "/0", URL_SAFE, 100),
    "Google client secret": _token("GOC" + "SPX-", URL_SAFE, 28),
    "Azure client secret": _whole(lambda m: m.of(LETTERS, 3) + "8Q" + "~" + m.of(URL_SAFE, 34)),
    "DigitalOcean token": _token("dop" + "_v1_", HEX, 64),
    "Heroku token": _token("HR" + "KU-", URL_SAFE, 60),
    "Databricks token": _token("da" + "pi", HEX, 32),
    "Fly.io token": _token("fm" + "2_", URL_SAFE, 120),
    "Render key": _token("rnd" + "_", LETTERS, 32),
    "Netlify token": _token("nfp" + "_", LETTERS, 40),
    "NVIDIA key": _token("nva" + "pi-", URL_SAFE, 64),
    "Supabase token": _token("sbp" + "_", HEX, 40),
    "PlanetScale password": _token("pscale" + "_pw_", LETTERS, 43),
    "Cloudflare origin key": _whole(lambda m: "v1" + ".0-" + m.of(HEX, 24) + "-" + m.of(HEX, 146)),
    "GitHub personal token": _token("gh" + "p_", LETTERS, 36),
    "GitHub server token": _token("gh" + "s_", LETTERS, 36),
    "GitHub refresh token": _token("gh" + "r_", LETTERS, 76),
    "GitHub fine-grained token": _whole(lambda m: "github" + "_pat_" + m.of(LETTERS, 22) + "_" + m.of(LETTERS, 59)),
    "GitLab personal token": _token("gl" + "pat-", URL_SAFE, 20),
    "GitLab runner token": _token("gl" + "rt-", URL_SAFE, 20),
    "Atlassian token": _token("ATA" + "TT3", URL_SAFE, 180, "=1A2B3C4D"),
    "Bitbucket app password": _token("AT" + "BB", LETTERS, 32),
    "npm token": _token("np" + "m_", LETTERS, 36),
    "PyPI token": _token("py" + "pi-Ag", URL_SAFE, 150),
    "RubyGems key": _token("ruby" + "gems_", HEX, 48),
    "NuGet key": _token("oy" + "2", LOWER, 43),
    "Docker Hub token": _token("dckr" + "_pat_", URL_SAFE, 27),
    "Artifactory key": _token("AK" + "Cp", LETTERS, 69),
    "Buildkite token": _token("bk" + "ua_", LOWER, 40),
    "Pulumi token": _token("pu" + "l-", HEX, 40),
    "Doppler token": _token("dp" + ".pt.", LETTERS, 43),
    "Vault token": _token("hv" + "s.", URL_SAFE, 95),
    "Terraform Cloud token": _whole(lambda m: m.of(LETTERS, 14) + ".atlas" + "v1." + m.of(URL_SAFE, 67)),
    "Hugging Face token": _token("h" + "f_", string.ascii_letters, 34),
    "OpenAI key": _token("s" + "k-", LETTERS, 48),
    "OpenAI project key": _token("s" + "k-proj-", URL_SAFE, 150),
    "Anthropic key": _token("s" + "k-ant-api03-", URL_SAFE, 95),
    "Groq key": _token("gs" + "k_", LETTERS, 52),
    "Replicate token": _token("r" + "8_", LETTERS, 37),
    "xAI key": _token("xa" + "i-", LETTERS, 80),
    "LangSmith key": _whole(lambda m: "lsv2" + "_pt_" + m.of(HEX, 32) + "_" + m.of(HEX, 10)),
    "Pinecone key": _token("pc" + "sk_", LETTERS, 70),
    "Stripe live key": _token("sk" + "_live_", LETTERS, 99),
    "Stripe webhook secret": _token("wh" + "sec_", LETTERS, 32),
    "Square token": _token("sq0" + "atp-", URL_SAFE, 22),
    "Slack bot token": _whole(lambda m: "xo" + "xb-" + m.of("0123456789", 12) + "-" + m.of(LETTERS, 24)),
    "Slack app token": _whole(lambda m: "xa" + "pp-1-" + m.of(UPPER, 11) + "-" + m.of(HEX, 64)),
    "Discord bot token": _whole(lambda m: "M" + m.of(LETTERS, 25) + "." + m.of(URL_SAFE, 6) + "." + m.of(URL_SAFE, 38)),
    "Telegram bot token": _whole(lambda m: "7" + m.of("0123456789", 9) + ":A" + "A" + m.of(URL_SAFE, 33)),
    "Facebook token": _token("EA" + "A", LETTERS, 150),
    "Twilio key": _token("S" + "K", HEX, 32),
    "SendGrid key": _whole(lambda m: "S" + "G." + m.of(URL_SAFE, 22) + "." + m.of(URL_SAFE, 43)),
    "Mailgun key": _token("ke" + "y-", HEX, 32),
    "Mailchimp key": _whole(lambda m: m.of(HEX, 32) + "-us" + "12"),
    "Brevo key": _whole(lambda m: "xkey" + "sib-" + m.of(HEX, 64) + "-" + m.of(LETTERS, 16)),
    "Sentry organisation token": _token("sn" + "trys_", LETTERS, 120),
    "New Relic key": _token("NR" + "AK-", UPPER, 27),
    "Grafana token": _whole(lambda m: "gl" + "sa_" + m.of(LETTERS, 32) + "_" + m.of(HEX, 8)),
    "Dynatrace token": _whole(lambda m: "dt0" + "c01." + m.of(UPPER, 24) + "." + m.of(UPPER, 64)),
    "Linear key": _token("lin" + "_api_", LETTERS, 40),
    "Notion token": _token("nt" + "n_", LETTERS, 46),
    "Figma token": _token("fi" + "gd_", URL_SAFE, 40),
    "Postman key": _whole(lambda m: "PM" + "AK-" + m.of(HEX, 24) + "-" + m.of(HEX, 34)),
    "Shopify token": _token("shp" + "at_", HEX, 32),
    "Airtable token": _whole(lambda m: "pa" + "t" + m.of(LETTERS, 14) + "." + m.of(HEX, 64)),
    "HubSpot token": _whole(lambda m: "pa" + "t-na1-" + m.uuid()),
    "Plaid token": _whole(lambda m: "access" + "-production-" + m.uuid()),
    "JSON web token": _whole(Maker.jwt),
    "age key": _token("AGE-" + "SECRET-KEY-1", UPPER, 58),
    "bcrypt hash": _whole(lambda m: "$2b" + "$12$" + m.of(LETTERS + "./", 53)),
    "argon2 hash": _whole(lambda m: "$argon2" + "id$v=19$m=65536,t=3,p=4$" + m.of(LETTERS, 22) + "$" + m.of(LETTERS, 43)),
    "token of an attempt": _token("vt" + "pa_", URL_SAFE, 40),
}
"""Whole secrets, known by their own form."""
OTHERS: dict[str, Form] = {
    "RSA private key": _pem("RSA PRIVATE " + "KEY"),
    "EC private key": _pem("EC PRIVATE " + "KEY"),
    "OpenSSH private key": _pem("OPENSSH PRIVATE " + "KEY"),
    "PKCS 8 private key": _pem("PRIVATE " + "KEY"),
    "PGP private key": _pem("PGP PRIVATE " + "KEY BLOCK"),
    "AWS secret access key": _within("aws_secret_access_key = ", lambda m: m.of(LETTERS + "+/", 40)),
    "AWS secret in the environment": _within("AWS_SECRET_ACCESS_KEY=", lambda m: m.of(LETTERS + "+/", 40)),
    "AWS session token": _within("aws_session_token: ", lambda m: m.base64(200)),
    "presigned S3 address": _within(
        "https://bkt.s3.amazonaws.com/a.zip?X-Amz-Expires=600&X-Amz-Signature=", lambda m: m.of(HEX, 64)
    ),
    "Azure storage key": _within(
        "AccountName=store;AccountKey=", lambda m: m.base64(64), ";EndpointSuffix=core.windows.net"
    ),
    "Azure SAS": _within("https://a.blob.core.windows.net/c/b?sv=2024&sp=r&sig=", lambda m: m.of(LETTERS, 43) + "%3D"),
    "Azure bus key": _within("SharedAccessKeyName=root;SharedAccessKey=", lambda m: m.base64(32)),
    "PostgreSQL address": _within("postgresql+asyncpg://vtp:", _password, "@db.internal:5432/vtp"),
    "PostgreSQL address, @ in the password": _within(
        "postgres://vtp:", lambda m: m.of(LETTERS, 6) + "@" + m.of(LETTERS, 6), "@db/vtp"
    ),
    "PostgreSQL address, / in the password": _within(
        "postgres://vtp:", lambda m: m.of(LETTERS, 6) + "/" + m.of(LETTERS, 6), "@db/vtp"
    ),
    "MongoDB address": _within("mongodb+srv://app:", _password, "@cluster0.mongodb.net/"),
    "Redis address": _within("redis://:", _password, "@cache:6379/0"),
    "AMQP address": _within("amqps://guest:", _password, "@mq/vhost"),
    "web address with a login": _within("https://ada:", _password, "@files.example.org/a.tar"),
    "git address with a token": _within("https://", lambda m: m.of(LETTERS, 40), "@git.example.org/a/b.git"),
    "Sentry DSN": _within("https://", lambda m: m.of(HEX, 32), "@errors.example.org/4"),
    "Slack webhook": _within(
        "https://hooks.slack" + ".com/services/", lambda m: f"T{m.of(UPPER, 9)}/B{m.of(UPPER, 10)}/{m.of(LETTERS, 24)}"
    ),
    "Discord webhook": _within(
        "https://discord" + ".com/api/webhooks/", lambda m: m.of("123456789", 18) + "/" + m.of(URL_SAFE, 68)
    ),
    "Authorization: Bearer": _within("Authorization: Bearer ", lambda m: m.of(URL_SAFE, 30)),
    "Authorization: Basic": _within("authorization: Basic ", lambda m: m.base64(21)),
    "Authorization: Digest": _within('Authorization: Digest username="ada", response="', lambda m: m.of(HEX, 32), '"'),
    "headers as a dict": _within("{'authorization': 'Bearer ", lambda m: m.of(URL_SAFE, 30), "', 'host': 'x'}"),
    "Cookie": _within("Cookie: theme=dark; vtp_session=", lambda m: m.of(URL_SAFE, 32)),
    "Set-Cookie": _within("set-cookie: vtp_session=", lambda m: m.of(URL_SAFE, 32), "; HttpOnly"),
    "X-Api-Key": _within("X-Api-Key: ", lambda m: m.of(LETTERS, 32)),
    "Okta": _within("Authorization: SSWS ", lambda m: m.of(URL_SAFE, 42)),
    "address with a token": _within("GET /?token=", lambda m: m.of(URL_SAFE, 32), " HTTP/1.1"),
    "address with an access token": _within("https://x.example/cb?a=1&access_token=", lambda m: m.of(LETTERS, 40), "&b=2"),
    "password in YAML": _within("password: ", _password),
    "password in quotes with blanks": _within('db_password = "', lambda m: f"{m.of(LETTERS, 5)} {m.of(LETTERS, 7)}", '"'),
    "password in JSON": _within('{"user": "ada", "password": "', _password, '", "port": 5432}'),
    "password in JSON in JSON": _within(r"{\"password\": \"", lambda m: m.of(LETTERS, 16), r"\"}"),
    "client secret in camel case": _within('"clientSecret":"', lambda m: m.of(LETTERS, 32), '"'),
    "password option": _within("mysql --host db --password ", lambda m: m.of(LETTERS, 16)),
    "token option": _within("tool --auth-token=", lambda m: m.of(LETTERS, 24)),
    "curl login": _within("curl -u ada:", _password, " https://x.example"),
    "netrc": _within("machine x.example login ada password ", _password),
    "Weights & Biases key": _within("WANDB_API_KEY=", lambda m: m.of(HEX, 40)),
    "Datadog key": _within("DD_API_KEY=", lambda m: m.of(HEX, 32)),
    "Kaggle key file": _within('{"username":"ada","key":"', lambda m: m.of(HEX, 32), '"}'),
    "Docker login file": _within('{"auths": {"r.example": {"auth": "', lambda m: m.base64(24), '"}}}'),
    "Kubernetes key": _within("    client-key-data: ", lambda m: m.base64(300)),
    "Django secret key": _within("SECRET_KEY = 'django-insecure-", lambda m: m.of(LETTERS + "#^&*", 50), "'"),
    "Python keyword argument": _within("connect(host='db', password='", _password, "')"),
    "mail address": _whole(lambda m: f"{m.of(string.ascii_lowercase, 7)}.{m.of(string.ascii_lowercase, 9)}@example.org"),
    "mail address with a tag": _whole(lambda m: f"{m.of(string.ascii_lowercase, 5)}+vtp@mail.example.co.uk"),
}
"""Secrets known by what stands around them."""


def surroundings(text: str) -> list[str]:
    """A secret where secrets turn up: alone, in sentences, logs, JSON, traceback lines, addresses."""
    return [
        text,
        f"could not connect with {text} after 3 tries",
        f"2026-11-25T04:00:00Z error: call refused\n{text}\nnext line",
        json.dumps({"event": "failed", "detail": text}),
        f"ValueError: wrong value: {text}",
        f"Größe: {text} – nochmals",
    ]


def ordinary(maker: Maker) -> list[str]:
    """What looks random or secret and is neither."""
    digest = hashlib.sha256(maker.rng.randbytes(9)).hexdigest()
    trace, span = maker.of(HEX, 32), maker.of(HEX, 16)
    image_id = base64.b64encode(f"image-{maker.rng.randrange(10**6):06d}".encode()).decode()
    return [
        digest, digest[:40], digest[:7], f"sha256:{digest}", f"blobs/{digest[:2]}/{digest}", maker.of(HEX, 32),
        maker.uuid(), maker.uuid().upper(), f"job {maker.uuid()} attempt 2", "J-1024", "D-7/labels/train/000123.txt",
        f"trace {trace}", f"00-{trace}-{span}-01", f'trace;desc="00-{trace}-{span}-01"', image_id,
        f"image {image_id} is broken",
        f"commit {digest[:40]} of main", f"etag \"{digest[:32]}-12\"", "yolo11n-cls.pt", "runs/train/weights/best.pt",
        "icon@2x.png", "sprites/button@3x.webp is damaged", "IMG_20261125_040000.jpg", "DSC-0042 (copy).JPEG",
        f"{digest[:16]}.jpg", f"checkpoints/last-{maker.rng.randrange(9)}.pt", "torch==2.14.1+cu126",
        "http://127.0.0.1:8000/api/v1/training-jobs/J-7?since=41", "http://127.0.0.1:8000/img/icon@2x.png",
        "s3://bucket/datasets/D-1/data.yaml", "file:///srv/data", "postgresql://db.internal:5432/vtp",
        "https://example.org/@ada", "2026-11-25T04:00:00.123Z", "epoch 3/10, loss 0.4213, lr 1e-3",
        "max_tokens=4096", "tokenizer=bert-base",
        "key=value",
        "basic classification", "a bearer of bad news", "Basic training configuration", "the password must not be empty",
        "tokens: 512", "monkey: 3", "keyboard=us", "author: Ada", "sk-learn", "sk_small", "hf_hub_download",
        "key-value store",
        "git@v2", "functools.wraps@3", "numpy@latest", "CUDA_OOM", "cuda:0", "GPU-" + maker.uuid(), "0x7f3c2a1b4d50",
        "TypeError: unsupported operand", "pid 4242 on node-17.cluster.local", "10.0.0.12:6379", "fp:v1:" + digest[:16],
        "lr0=0.01 batch=16 imgsz=640", "errors?code=CUDA_OOM", "signature: cuda-oom", "Größe: 3 × 4",
    ]  # fmt: skip
