"""What a sentence complains of, by its subject: asked last, of words that somebody wrote himself and no form knows."""

import re

_COMPLAINT = re.compile(
    r"\b(?:no|not|none|never|nothing|neither|cannot|without|unable|missing|absent|lacks?|empty|gone"
    r"|differs?|differ|wrong|bad"
    r"|invalid|unusable|unknown|unsupported|unexpected|unreadable|undefined|duplicated?|negative|requir\w+|requested|must|should"
    r"|expect\w*|instead|but|although|while|only|too|larger|smaller|longer|shorter|fewer|more than|less than|exceed\w*|over"
    r"|needs?|wants?|refus\w+|denied|fail\w*|forg[eo]t|explod\w+|diverg\w+|nan|inf|corrupt\w*|truncated|broken|damaged"
    r"|exhausted|full|used up|ran out|out of|gave up|giving up|timed out|lost|aborted|rejected|in the middle|mandatory"
    r"|makes no sense|conflicts?|called|has \d+|have \d+|had \d+|this is|read[- ]only|another|choose|share \d+"
    r"|answer(?:s|ed)? (?:with )?[45]\d\d)\b|n't\b|!=|\b100 ?%",
    re.IGNORECASE,
)
_MERE_REPORT = re.compile(r"^[\w ]{1,20}: (?:no|not|without)\b|, (?:no|not) |\bnot installed, ", re.IGNORECASE)
"""How a training reports of itself what it does not do or has not: no complaint where the line has no level."""
_THINGS = (
    r"(?:images?|labels?|masks?|annotations?|box(?:es)?|polygons?|keypoints?|class(?:es)?|categor(?:y|ies)|samples?|splits?"
    r"|folds?|data ?sets?|columns?|header|rows?|records?|manifests?|captions?|targets?|frames?|videos?|COCO|VOC|YOLO format"
    r"|CSV|train and val|[\w./-]+\.(?:jsonl?|csv|tsv|txt|xml|jpe?g|png|tiff?|parquet))"
)
_FOLDER = r"(?:folder|directory|path|mount(?:ed)?|split|volume)"
_PLACE = rf"(?:(?:/[\w.-]+)+/?|\b{_FOLDER}\b)"
_WEIGHTS = r"(?:checkpoints?|weights|snapshot|state[ _]dict|optimi[sz]er state|[\w./-]+\.(?:pt|pth|ckpt|safetensors|keras))"
_NETWORK = r"(?:model|network|net|backbone|architecture|encoder|decoder|head|neck|detector|classifier)"
_GPU = r"(?:GPUs?|CUDA|cuda:\d+|nvidia|VRAM|HBM|accelerators?|(?:graphics |GB )cards?)(?![\w-])"
_NAN = r"(?:\bnan\b|\binf\w*|explod|diverg|blew up|(?:not|non)[- ]?finite)"
_LOSS = r"\b(?:loss(?:es)?|grad\w*|weights|activations?|training)\b"
TOPICS: tuple[tuple[str, str], ...] = (
    ("TRAINING_DIVERGED", rf"{_LOSS}.{{0,40}}{_NAN}|{_NAN}.{{0,20}}{_LOSS}"),
    ("SHM_EXHAUSTED", r"\bdev/shm|\bshared memory\b|\bshm\b"),
    (
        "GPU_HARDWARE_FAULT",
        (
            rf"\b{_GPU}.{{0,40}}\b(?:uncorrectable|ECC|Xid|off the bus|is lost|unhealthy)\b"
            rf"|\bNVLink\b.{{0,30}}\b(?:down|fail\w*)"
        ),
    ),
    ("CUDA_OOM", rf"\b{_GPU}.{{0,40}}\bmemory\b|\bmemory\b.{{0,40}}\b{_GPU}|\bVRAM\b"),
    ("HOST_OOM", r"\bRAM\b|\b(?:host|system|main|physical|CPU) memory\b|\bout of memory\b|\benough memory\b"),
    ("STORAGE_ERROR", r"\bbucket\b|\bs3://|\bgs://|\bobject stor\w+|\bminio\b"),
    (
        "DISK_FULL",
        (
            r"\b(?:disk|device|volume|partition|storage|scratch)\b.{0,20}\b(?:full\b|exhausted\b|100 ?%)"
            r"|\bquota\b|\b(?:disk|free"
            r"|enough) space\b|\bspace (?:left|on)\b|\b[KMGT]i?B (?:are |is )?(?:left|free|available)\b"
        ),
    ),
    ("MLFLOW_UNAVAILABLE", r"\bmlflow\b|\b(?:tracking|experiments?) server\b"),
    ("DATABASE_ERROR", r"\bdatabase\b|\bpostgres\w*|\bsqlite\b|\bmysql\b"),
    ("TEMPORAL_ERROR", r"\btemporal (?:server|cluster|workflow|namespace)\b"),
    (
        "FILE_PERMISSION_DENIED",
        (
            r"\bread[- ]only\b|\b(?:may|must) ?not (?:write|read|open|create|modify)\b|\b(?:can ?not"
            r"|could not) (?:write|create|modify)"
            r"\b.{0,20}/|\bpermissions?\b|\baccess denied\b|\b(?:not|un)writ(?:e)?able\b"
            r"|\bnot allowed to (?:write|read|create)"
            r"|\bbelongs to (?:root|user|another)\b"
        ),
    ),
    ("WORKER_STARTUP_ERROR", r"\bworkers?\b.{0,40}\b(?:spawn|fork|start|launch|pickl)\w*|\bpicklable\b"),
    (
        "DOWNLOAD_FAILED",
        (
            r"\bdownload\w*|\bhttps?://|\bmirror\b|\bproxy\b|\bresolve\b.{0,20}\bhost|\binternet\b|\bfetch\w*"
            r"|\bserver\b.{0,30}\b(?:answer|respond|reach)|\btoo many requests\b"
        ),
    ),
    (
        "DISTRIBUTED_COMM_ERROR",
        (
            r"\branks? \d|\bbarrier\b|\b(?:master|head) (?:node|at|address)|\brendezvous\b|\ball-?(?:reduce"
            r"|gather)\b|\bpeers?\b"
            r"|\bnodes? \d+|\bprocess group\b|\bcollective\b|\bNCCL\b|\bgloo\b|\b\d+ of \d+ (?:processes|ranks"
            r"|nodes|workers)\b"
        ),
    ),
    ("CUDA_UNAVAILABLE", r"\bdriver\b"),
    (
        "DEPENDENCY_ERROR",
        (
            r"\binstalled\b|\bpip install\b|[\w-]+(?:>=?|==|~=|<=?)\d|\b(?:package|module|library|wheel|import)\b"
            r"|\b(?:compiled|built) (?:for|with|against)\b.*\d\.\d"
        ),
    ),
    ("CUDA_UNAVAILABLE", rf"\b{_GPU}"),
    (
        "DATASET_BROKEN",
        (
            r"\bdecod\w+|\bcorrupt\w*|\btruncated\b|\b(?:sha\d+|md5|checksum|crc)\b|\bends? in the middle\b"
            r"|\bunexpected end\b"
            r"|\b(?:broken|damaged)\b|\b0 bytes\b|\b(?:images?|files?|videos?|shards?)\b.{0,20}\b(?:unreadable"
            r"|not be (?:opened|read))"
        ),
    ),
    ("CHECKPOINT_INVALID", rf"\b{_WEIGHTS}(?!\w)"),
    (
        "INVALID_MODEL",
        (
            rf"\b{_NETWORK}\b.{{0,40}}\b(?:called|named|unknown|not known|none of|in the zoo"
            r"|does not exist|not registered)\b"
            rf"|\b(?:no|unknown) {_NETWORK}\b"
        ),
    ),
    (
        "MODEL_DATA_MISMATCH",
        (
            rf"\b(?:{_NETWORK}|layer|loss)\b.{{0,40}}\b(?:class(?:es)?|channels?|bands?|outputs?|RGB|features?"
            rf"|inputs?|pixels?|shape"
            r"|size)\b|\b\d-channel\b|\bgr[ae]y-?scale\b|\bRGBA?\b"
        ),
    ),
    (
        "DATASET_NOT_FOUND",
        (
            rf"{_PLACE}.{{0,60}}\b(?:absent|there|exist|found|nothing|gone|missing|deleted)\b|\bnothing\b.{{0,30}}{_PLACE}"
            rf"|\b(?:no|missing) {_FOLDER}\b"
        ),
    ),
    (
        "INVALID_CONFIG",
        (
            r"--[a-z][\w-]+|\b[a-z]+(?:_[a-z0-9]+)+ ?=|\b(?:config\w*|settings?|options?|hyper-?parameters?"
            r"|flags?|arguments?"
            r"|parameters?|mandatory|environment)\b|\bkey '?\w+'? in\b|\bsection\b|\b[A-Z]+_[A-Z_]+ is not set\b"
            r"|\b[\w-]+\.ya?ml\b"
            r"|\b(?:augmentation|optimi[sz]er|scheduler|schedule|transform|loss|metric|sampler|precision|strategy|callback)s?\b"
            r"|\b(?:epochs?|batch(?:[ _]size)?|learning[ _]rate|lr|warm-?up|momentum|image[ _]size|crop"
            r"|patience|seed|stride)\b"
            r"|\bone of\b|\bchoose\b|\bbetween -?[\d.]+ and\b|\b(?:go|work|used?) together\b|\bcombin\w+"
        ),
    ),
    ("DATASET_INVALID_FORMAT", rf"\b{_THINGS}(?!\w)"),
)
_TOPICS = tuple((code, re.compile(pattern, re.IGNORECASE)) for code, pattern in TOPICS)
MOST_CHARACTERS = 300


def complains(text: str) -> bool:
    """Whether a sentence says that something is not as it should be."""
    return _COMPLAINT.search(text[:MOST_CHARACTERS]) is not None


def reports(text: str) -> bool:
    """Whether a line without a level sounds like a report of what is not used or not there, with which all goes on."""
    return _MERE_REPORT.search(text) is not None


def topic(text: str) -> str | None:
    """The code of what a complaint is about; None where it is about nothing known."""
    return next((code for code, pattern in _TOPICS if pattern.search(text[:MOST_CHARACTERS])), None)
