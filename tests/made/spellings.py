"""Ways to spell what must not be fetched: addresses, names that lead to them, tricks with URLs."""

PUBLIC = "93.184.216.34"
GOOD = "pictures.example"

NAMES = {
    GOOD: [PUBLIC],
    "both.example": ["2606:2800:220:1::1", PUBLIC],
    "private.example": ["10.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "127.0.0.1.nip.example": ["127.0.0.1"],
    "localtest.example": ["::1"],
    "mixed.example": [PUBLIC, "10.0.0.1"],
    "mixed-last.example": ["10.0.0.1", PUBLIC],
    "mixed6.example": [PUBLIC, "::1"],
    "mapped.example": ["::ffff:169.254.169.254"],
    "nat64.example": ["64:ff9b::a9fe:a9fe"],
    "aws6.example": ["fd00:ec2::254"],
    "sixtofour.example": ["2002:a9fe:a9fe::1"],
    "link.example": ["fe80::1%lo"],
    "only6.example": ["2606:2800:220:1::1"],
    "xn--mnchen-3ya.example": ["192.168.0.1"],
}

NUMBERS = (
    *("2130706433", "2852039166", "0x7f000001", "0xa9fea9fe", "0xA9FEA9FE", "017700000001"),
    *("0x7f.1", "0x7f.0.0.1", "0xA9.0xFE.0xA9.0xFE", "0177.0.0.1", "0251.0376.0251.0376"),
    *("127.1", "127.0.1", "169.254.43518", "169.16689662", "0", "00000", "0x0", "0.0", "10.1"),
    *("127.000.000.001", "0x7f.0.0.0x1", "0177.0x0.0.1", "127.0.0.0x1", "127.1.", "2130706433."),
    *("①②⑦.0.0.1", "１２７.０.０.１", "127。0。0。1", "127．0．0．1", "①⑥⑨.②⑤④.①⑥⑨.②⑤④"),
    *("%31%32%37.0.0.1", "127%2e0%2e0%2e1", "%6c%6f%63alhost", "169.254.169.254%2e"),
)
BLOCKS = (
    *("0.0.0.0", "0.0.0.1", "10.0.0.1", "10.255.255.254", "100.64.0.1", "100.100.100.200"),
    *("127.0.0.1", "127.0.0.2", "127.255.255.254", "127.0.0.1.", "168.63.129.16"),
    *("169.254.169.254", "169.254.169.253", "169.254.170.2", "169.254.0.23", "169.254.169.254."),
    *("172.16.0.1", "172.31.255.254", "192.0.0.9", "192.0.0.192", "192.0.2.1", "192.31.196.1"),
    *("192.52.193.1", "192.88.99.1", "192.168.1.1", "192.175.48.1", "198.18.0.1", "198.19.255.1"),
    *("198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1"),
    "255.255.255.255",
)
SIXES = (
    *("::1", "::", "0:0:0:0:0:0:0:1", "0000:0000:0000:0000:0000:0000:0000:0001", "::0.0.0.1"),
    *("::ffff:127.0.0.1", "::ffff:7f00:1", "::FFFF:7F00:1", "0:0:0:0:0:ffff:10.0.0.1"),
    *("::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::ffff:0.0.0.0", "::ffff:168.63.129.16"),
    *("::127.0.0.1", "::a9fe:a9fe", "::ffff:0:127.0.0.1", "::ffff:0:a9fe:a9fe"),
    *("64:ff9b::a9fe:a9fe", "64:ff9b::169.254.169.254", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1"),
    *("2002:a9fe:a9fe::1", "2002:7f00:1::", "2002:a00:1::1", "2001::1"),
    *("2001:0:4136:e378:8000:63bf:5601:5601", "2001:2::1", "2001:20::1", "2001:db8::1"),
    *("3fff::1", "2620:4f:8000::1", "2600:1f18::5efe:a9fe:a9fe", "2600:1f18::200:5efe:7f00:1"),
    *("fd00:ec2::254", "fc00::1", "fdff::1", "fe80::1", "fe80::1%25lo", "fe80::1%lo", "fec0::1"),
    *("100::1", "5f00::1", "4000::1", "e000::1", "ff02::1", "ff0e::1"),
    "2600:1f18::1",  # an address of the internet, but of IPv6
)
TRICKS = (
    f"https://{GOOD}@169.254.169.254/",
    f"https://{GOOD}:443@127.0.0.1/",
    f"https://{GOOD}%40@127.0.0.1/",
    f"https://{GOOD}%20@127.0.0.1/",
    "https://user:password@10.0.0.1/",
    "https://@127.0.0.1/",
    f"https://127.0.0.1@{GOOD}@127.0.0.1/",
    f"https://169.254.169.254#@{GOOD}/",
    f"https://169.254.169.254?@{GOOD}/",
    f"https://169.254.169.254/@{GOOD}/",
    f"https://169.254.169.254\\@{GOOD}/",
    f"https://{GOOD}\\@169.254.169.254/",
    f"https://169.254.169.254\\.{GOOD}/",
    f"https://169.254.169.254;.{GOOD}/",
    f"https://127.0.0.1\x00.{GOOD}/",
    f"https://127.0.0.1%00.{GOOD}/",
    f"https://127.0.0.1%2523@{GOOD}@127.0.0.1/",
    "https:\\\\127.0.0.1\\",
    "https:/\\127.0.0.1/",
    "https:///127.0.0.1/",
    "https:////127.0.0.1/",
    "https:/127.0.0.1/",
    "https:127.0.0.1",
    "//127.0.0.1/",
    "127.0.0.1/",
    " https://127.0.0.1/",
    "https://127.0.0.1/ ",
    "https:// 127.0.0.1/",
    "https://127.0.0.1 /",
    "https://127.0.0.1\t/",
    "ht\ntps://127.0.0.1/",
    "\x00https://127.0.0.1/",
    "https://127.0.0.1\u3000/",
    "https://127.0.0.1\u200b/",
    "https://127.0.0.1/\r\nHost: 10.0.0.1\r\n\r\n",
    "https://127.0.0.1%0d%0aX-Injected:%201/",
    "HTTPS://127.0.0.1/",
    "HtTp://LOCALHOST/",
    "https://[127.0.0.1]/",
    "https://[[::1]]/",
    "https://[::1/",
    "https://::1/",
    "https://::ffff:127.0.0.1/",
    "https://[::1].example/",
    "https://[::1]:443:443/",
    "https://127.0.0.1:443/",
    "https://127.0.0.1:/",
    "http://127.0.0.1:80/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/",
    "https://127.0.0.1:8080/",
    "https://127.0.0.1:22/",
    f"https://{GOOD}:22/",
    f"https://{GOOD}:6379/",
    f"https://{GOOD}:8080/",
    f"http://{GOOD}:443/",
    f"https://{GOOD}:80/",
    f"https://{GOOD}:0/",
    f"https://{GOOD}:65536/",
    f"https://{GOOD}:-443/",
    f"https://{GOOD}:4_4_3@127.0.0.1/",
    f"https://{PUBLIC}:22/",
    "ftp://127.0.0.1:8080/",
    "gopher://127.0.0.1:6379/_INFO",
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "unix:///run/docker.sock",
    "data:image/png;base64,iVBORw0KGgo=",
    "dict://127.0.0.1:6379/",
    "ws://127.0.0.1/",
    "jar:https://127.0.0.1/!/",
    "https+unix://127.0.0.1/",
    "https://127.0.0.1/" + "a" * 2048,
    "",
)


def spellings() -> list[str]:
    """All of them, as URLs."""
    hosts = (*NUMBERS, *BLOCKS, "localhost", "localhost.", "LOCALHOST")
    names = [name for name in NAMES if name not in {GOOD, "both.example"}]
    found = [
        f"https://{host}/" for host in (*hosts, *names, "metadata.example.", "METADATA.EXAMPLE")
    ]
    found += [f"https://[{host}]/" for host in SIXES]
    found += [f"http://{host}/" for host in ("127.0.0.1", "2130706433", "metadata.example")]
    return [*found, *TRICKS]
