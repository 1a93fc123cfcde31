"""nginx as the online service: a static file, compressed as it answers (2 ms of CPU) or as it is.

Always holds: it tells each request's time to the agent by syslog, with times in whole milliseconds.
"""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

from bench.qos.groups import Group
from bench.qos.wire import Wire

_CONFIG = """
daemon off; worker_processes {workers}; error_log /dev/null crit; pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  log_format slacktide 'slacktide {uid} ${{request_time}}s';
  access_log {log} slacktide;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  sendfile on; tcp_nodelay on; keepalive_requests 1000000; keepalive_timeout 600;
  gzip {gzip}; gzip_comp_level 6; gzip_types *; gzip_min_length 1;
  server {{ listen {host}:{port}; root {folder}/www; }}
}}
"""


def start_nginx(
    group: Group, folder: Path, *, port: int, uid: str, run_dir: Path, wire: Wire | None
) -> subprocess.Popen[bytes]:
    """Serves /file: 120 kB of text compressed anew each time, or 64 kB as it is over a wire."""
    www = folder / "www"
    www.mkdir(exist_ok=True)
    (www / "file").write_bytes(b"x" * 65_536 if wire else prose(120_000))
    config = folder / "nginx.conf"
    config.write_text(
        _CONFIG.format(
            folder=folder,
            uid=uid,
            workers=2,
            log=f"syslog:server=unix:{run_dir}/latency.sock,nohostname,tag=slacktide",
            gzip="off" if wire else "on",
            host=wire.online_ips[0] if wire else "127.0.0.1",
            port=port,
        )
    )
    command = ["nginx", "-c", str(config), "-p", str(folder)]
    return group.start([*wire.online, *command] if wire else command)


def prose(length: int) -> bytes:
    """Text that compresses about as well as a page does."""
    source = random.Random(1)  # noqa: S311 -- a page, not a secret
    words = ["".join(source.choices("abcdefghijklmnopqrst", k=7)) for _ in range(2_000)]
    return " ".join(source.choices(words, k=length // 7)).encode()[:length]
