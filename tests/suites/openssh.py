# SPDX-License-Identifier: MIT
"""OpenSSH's client, scp and sftp against a server of their own, with keys of their own."""
import getpass
import hashlib
import os
import subprocess

import suite

NAME = "OpenSSH client"
PACKAGES = ["openssh-client", "openssh-server"]


def results(runner, only=None):
    folder, port = runner.folder, suite.free_port()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    if os.getuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    (folder / "sshd").write_text(f"""Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
PidFile none
PermitRootLogin yes
PermitUserEnvironment no
Subsystem sftp internal-sftp
""")
    (folder / "config").write_text(f"""Host there
HostName 127.0.0.1
Port {port}
User {getpass.getuser()}
IdentityFile {folder}/user
IdentitiesOnly yes
UserKnownHostsFile {folder}/known
StrictHostKeyChecking accept-new
LogLevel ERROR
""")
    large = folder / "large"
    large.write_bytes(bytes(range(256)) * 20000)
    found = {}

    def step(name, *argv, stdin=b"", saved=None):
        status, out, err = runner.run(argv, stdin=stdin, limit=30)
        digest = hashlib.sha256(out.replace(str(folder).encode(), b"")).hexdigest()[:12]
        kept = hashlib.sha256((folder / saved).read_bytes()).hexdigest()[:12] if saved and (folder / saved).exists() else "-"
        found[name] = f"{status} {digest} {kept} {err.decode().replace(str(folder), '')[:200]}"

    ssh = ["ssh", "-F", folder / "config"]
    with suite.server(["/usr/sbin/sshd", "-D", "-e", "-f", folder / "sshd"], port):
        step("a command", *ssh, "there", "echo words; exit 7")
        step("errors", *ssh, "there", "echo out; echo err >&2")
        step("standard input", *ssh, "there", "wc -c", stdin=b"x" * 3000000)
        step("output of 5 MB", *ssh, "there", f"cat {large}")
        step("compressed", *ssh, "-C", "there", f"cat {large}")
        step("a terminal", *ssh, "-tt", "there", "test -t 0 && echo terminal; exit 3")
        step("killed there", *ssh, "there", "kill -9 $$")
        for cipher in ("aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-ctr"):
            step(cipher, *ssh, "-c", cipher, "there", "echo words")
        step("scp to", "scp", "-q", "-F", folder / "config", large, f"there:{folder}/copy1", saved="copy1")
        step("scp from", "scp", "-q", "-F", folder / "config", f"there:{large}", folder / "copy2", saved="copy2")
        step("scp, old protocol", "scp", "-O", "-q", "-F", folder / "config", f"there:{large}", folder / "copy3", saved="copy3")
        step("sftp", "sftp", "-q", "-F", folder / "config", "-b", "-", "there", stdin=f"get {large} {folder}/copy4\nls {folder}/large\n".encode(),
             saved="copy4")
        step("through a control socket", "sh", "-c", f"ssh -F {folder}/config -M -S {folder}/mux -fN there && ssh -F {folder}/config -S {folder}/mux "
             f"there 'echo one' && ssh -F {folder}/config -S {folder}/mux there 'echo two; exit 5'; r=$?; ssh -F {folder}/config -S {folder}/mux -O exit "
             "there 2>/dev/null; exit $r")
        step("forwarded", "sh", "-c", f"ssh -F {folder}/config -W 127.0.0.1:{port} there </dev/null | head -c 7")
        step("a wrong key", *ssh, "-i", folder / "host", "-o", "IdentityFile=none", "-o", "BatchMode=yes", "there", "true")
        step("nobody there", *ssh, "-p", "1", "there", "true")
    return found
