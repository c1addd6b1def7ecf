"""nginx as a mirroring reverse proxy, configured as the documentation of its `mirror` module shows."""

import shutil

from shadow.devstack.services.processes import ServerProcess, answers, free_port

#: Requests stay in memory, and connections are kept open on both sides, as in the gateway.
_CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/client_body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_body_buffer_size 64k;
    keepalive_requests 1000000;
    {servers}
}}
"""
_MIRRORING = """
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    upstream production {{ server {production}; keepalive 128; keepalive_requests 1000000; }}
    upstream second {{ server {second}; keepalive 128; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ mirror /mirror; proxy_pass http://production; }}
        location = /mirror {{ internal; proxy_pass http://second$request_uri; }}
    }}
"""
#: The second upstream, as cheap as can be: nginx reuses a connection to it only where answers have no body.
_NO_CONTENT = """
    server {{ listen 127.0.0.1:{port}; return 204; }}
"""


def start(stack, folder, upstream):
    """Start an nginx that forwards to `upstream`, and another that it mirrors to.

    Returns the address of the first, or None where nginx is not installed.
    """
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        return None
    second = _run(stack, folder / "second", program, _NO_CONTENT)
    return _run(stack, folder / "nginx", program, _MIRRORING, production=upstream, second=second)


def _run(stack, folder, program, servers, **urls):
    folder.mkdir()
    port = free_port()
    origins = {name: url.removeprefix("http://") for name, url in urls.items()}
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, servers=servers.format(port=port, **origins)), encoding="utf-8")
    process = ServerProcess(f"nginx ({folder.name})", folder / "nginx.log")
    process.launch([program, "-c", str(config), "-e", "stderr"])
    stack.callback(process.stop)
    process.wait_until(lambda: answers(port), 30.0)
    return f"http://127.0.0.1:{port}"
