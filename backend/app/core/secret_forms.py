"""The forms of secrets that are recognised in any text, whoever wrote it. Expressions are RE2's: linear time on any input.

`TOKENS` are whole secrets that their own form gives away. `NAMED` are values that only what stands before them does.
"""

KEY_BLOCKS = (
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----(?s:.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|\z)",
    r"-----BEGIN OpenVPN Static key V1-----(?s:.*?)(?:-----END OpenVPN Static key V1-----|\z)",
    r"PuTTY-User-Key-File-\d: (?s:.*?)(?:Private-MAC: [0-9a-f]+|\z)",
)
_WORD = "[A-Za-z0-9_-]"
TOKENS = (
    # Clouds
    r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
    r"\bABSK[A-Za-z0-9+/]{40,}={0,2}",
    r"\bamzn\.mws\.[0-9a-f-]{36}",
    rf"\bAIza{_WORD}{{30,}}",
    rf"\bya29\.{_WORD}{{20,}}",
    rf"\b1//0{_WORD}{{30,}}",
    rf"\bGOCSPX-{_WORD}{{20,}}",
    r"\b[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{31,34}",
    r"\bdo[opr]_v1_[0-9a-f]{40,}",
    r"\bHRKU-[A-Za-z0-9_-]{30,}",
    r"\bdapi[0-9a-f]{32}(?:-\d)?\b|\bdose[0-9a-f]{32}\b",
    rf"\bFlyV1 fm\d_\S{{20,}}|\bf[mo]\d_{_WORD}{{30,}}",
    rf"\b(?:rnd|nfp|nvapi-|napi|sbp|vcp)[_-]?{_WORD}{{28,}}",
    rf"\bsb_secret_{_WORD}{{16,}}",
    r"\bpscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{30,}",
    r"\bv1\.0-[0-9a-f]{24}-[0-9a-f]{100,}",
    # Code, packages, builds
    r"\bgh[pousr]_[A-Za-z0-9]{20,}",
    r"\bgithub_pat_[A-Za-z0-9_]{20,}",
    rf"\bgl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat|ffct)-{_WORD}{{16,}}",
    rf"\bGR1348941{_WORD}{{20}}",
    r"\bATATT3[A-Za-z0-9_=-]{50,}|\bATBB[A-Za-z0-9]{24,}",
    r"\bnpm_[A-Za-z0-9]{36}\b",
    rf"\bpypi-Ag{_WORD}{{50,}}",
    r"\brubygems_[0-9a-f]{48}\b",
    r"\boy2[a-z0-9]{43}\b",
    r"\bcio[A-Za-z0-9]{32}\b",
    r"\bCLOJARS_[0-9a-z]{60}\b",
    rf"\bdckr_(?:pat|oat)_{_WORD}{{20,}}",
    r"\bAKCp[A-Za-z0-9]{60,}|\bcmVmdGtuOj[A-Za-z0-9]{50,}",
    r"\bbk[a-z]{2}_[A-Za-z0-9]{30,}",
    r"\bCCIP(?:AT|RJ)_[A-Za-z0-9]{20,}_[0-9a-f]{40}",
    r"\bpul-[0-9a-f]{40}\b",
    r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._-]{40,}",
    r"\bhv[sbr]\.[A-Za-z0-9_-]{20,}",
    r"\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,}",
    # Models
    r"\b(?:hf|api_org)_[A-Za-z0-9]{20,}",
    rf"\bsk-{_WORD}{{16,}}",
    r"\b(?:gsk|r8|fw|csk|wandb_v1)_[A-Za-z0-9_]{24,}",
    r"\b(?:pplx|xai|tgp_v1)[-_][A-Za-z0-9_-]{40,}",
    r"\blsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}",
    rf"\bpcsk_{_WORD}{{40,}}",
    r"\bKGAT_[0-9a-f]{32}\b",
    # Payment, messages, mail
    r"\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}|\bwhsec_[A-Za-z0-9+/=]{24,}",
    rf"\bsq0(?:atp|csp|idp)-{_WORD}{{22,}}",
    r"\bFLWSECK(?:_TEST)?-[A-Za-z0-9]{12,}",
    r"\bEZ[AT]K[A-Za-z0-9]{54}\b",
    r"\bxox[abceoprs]-[A-Za-z0-9-]{10,}|\bxox[ep]\.xox[abp]-\d-[A-Za-z0-9-]{20,}|\bxapp-\d-[A-Za-z0-9-]{20,}",
    r"\bhooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_-]{20,}",
    rf"\bdiscord(?:app)?\.com/api/webhooks/\d{{10,}}/{_WORD}{{30,}}",
    r"\b[A-Za-z0-9.-]+\.webhook\.office\.com/webhookb2/\S{30,}",
    rf"\b[MNO][A-Za-z0-9]{{23,25}}\.{_WORD}{{6}}\.{_WORD}{{27,38}}",
    rf"\b\d{{8,10}}:AA{_WORD}{{33}}",
    r"\bEAA[A-Za-z0-9]{60,}",
    r"\bSK[0-9a-f]{32}\b",
    rf"\bSG\.{_WORD}{{16,}}\.{_WORD}{{32,}}",
    r"\bkey-[0-9a-z]{32}\b",
    r"\b[0-9a-f]{32}-us\d{1,2}\b",
    rf"\bxkeysib-[0-9a-f]{{64}}-{_WORD}{{16}}",
    # Work, monitoring, shops
    r"\bsntry[su]_[A-Za-z0-9+/=_-]{40,}",
    r"\bNR(?:AK|JS|II|AA|RA)-[A-Za-z0-9_-]{20,}",
    r"\bgls?[ac]_[A-Za-z0-9+/=_]{32,}",
    r"\bdt0[a-z]\d{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}",
    r"\blin_(?:api|oauth)_[A-Za-z0-9]{40,}",
    r"\bntn_[A-Za-z0-9]{40,}|\bsecret_[A-Za-z0-9]{43}\b",
    rf"\bfig[dou]_{_WORD}{{40,}}",
    r"\bPMAK-[0-9a-f]{24}-[0-9a-f]{34}",
    r"\bshp(?:at|ca|pa|ss|tka)_[0-9a-fA-F]{32}",
    r"\bpat[A-Za-z0-9]{14}\.[0-9a-f]{64}",
    r"\bpat-(?:na|eu)\d-[0-9a-f-]{36}",
    rf"\bCFPAT-{_WORD}{{43}}|\btfp_{_WORD}{{40,}}",
    rf"\bsl\.[A-Za-z]?\.?{_WORD}{{100,}}",
    r"\baccess-(?:sandbox|development|production)-[0-9a-f-]{36}",
    # Everywhere
    rf"\beyJ{_WORD}{{8,}}\.{_WORD}{{8,}}(?:\.{_WORD}*)*",
    r"\bAGE-SECRET-KEY-1[A-Z0-9]{58}",
    r"\$(?:2[abxy]\$\d{2}\$[./A-Za-z0-9]{53}|argon2(?:id|i|d)\$[^\s\"']{20,}|(?:5|6|y)\$[^\s\"':]{20,}|scrypt\$[^\s\"']{20,})",
    r"\bvtpa_\S+",
)
# What stands before the value stays; the value goes.
_QUOTED = r"\\+\"[^\"\\]*\\+\"|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
_GONE = r"\[redacted\]"
_PLAIN = rf"{_GONE}|[^\s,;&\"'<>()\[\]{{}}\\]+"
_SENSITIVE = (
    r"pass(?:word|wd|phrase)|pwd|secret|token|credentials?"
    r"|(?:api|access|account|private|secret|signing|encryption|master|service|license|shared[_-]?access)[_-]?key"
    r"|client[_-]key[_-]data|app[_-]?key|aws[_-]secret[_-]access[_-]key"
)
_NAME = rf"(?i:[A-Za-z0-9_.-]*(?:{_SENSITIVE}))"
_IS = r"(?:\\*[\"'])?\s*(?:=>|:=|[=:])\s*"
_HEADER = r"(?i:\b(?:proxy-)?authorization|\b(?:set-)?cookie)"
NAMED = (
    rf"({_HEADER}{_IS})(?:b?(?:{_QUOTED})|{_GONE}|(?i:digest|oauth|aws4-hmac-sha256)\s[^\r\n]+|[^\r\n\"'}}]+)",
    rf"({_NAME}{_IS})(?:b?(?:{_QUOTED})|{_PLAIN})",
    rf"({_NAME}\s+)(?:{_QUOTED})",
    rf"(--?(?i:[a-z0-9-]*(?:{_SENSITIVE}))\s+)(?:{_QUOTED}|[^\s\"'=:-][^\s\"']*)",
    r"(?i:(\blogin\s+\S+\s+password\s+)\S+)",
    r"((?:\s|^)(?:-u|--user|--proxy-user)[\s=]+[\"']?[^\s:\"']+:)[^\s\"']+",
    r"(\bsshpass\s+-p\s*)\S+",
    r"([?&](?i:sig|signature|auth|password|x-amz-(?:signature|credential|security-token)|x-goog-signature)=)[^\s&\"'#<>]+",
    rf"(\"username\\*\"\s*:\s*\\*\"[^\"\\]*\\*\"\s*,\s*\\*\"key\\*\"\s*:\s*)(?:{_QUOTED})",
    r"(\"auth\\*\"\s*:\s*)\\*\"[A-Za-z0-9+/]{12,}={0,2}\\*\"",
    r"(?i:(\bssws\s+)[A-Za-z0-9_-]{20,})",
)
SCHEME = r"(?i:\b(bearer|basic)(\s+))([A-Za-z0-9._~+/-]{8,}=*)"
"""A way to log in and, perhaps, what follows it: English words may."""
URL_LOGIN = (
    r"(\b[A-Za-z][A-Za-z0-9+.-]*://)(?:[^\s/@:\"'<>]*:[^\s/\"'<>]*|[^\s/@:\"'<>]{16,})@",
    r"(\b[A-Za-z][A-Za-z0-9+.-]*://)[^\s/@:\"'<>]*:([^\s@\"'<>]*)@",
)
"""Addresses with a login; in the second form a password with a slash in it, unless that is a port before a path."""
EMAIL = r"\b[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+([A-Za-z]{2,24})\b"
FILE_ENDINGS = frozenset(
    {"png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "svg", "pt", "pth", "onnx", "npz", "npy", "safetensors"}
    | {"yaml", "yml", "json", "jsonl", "csv", "txt", "log", "py", "zip", "tar", "gz", "md"}
)
"""What a name ends in that only looks like an address (``icon@2x.png``)."""
