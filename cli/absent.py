"""What docker or podman has and `rootless` has not, and why: for messages and for docs/options.md.

A test reads the help of both programs: what is no option here has to stand in this list. Nothing of
it is loaded before a mistake was made.
"""

from __future__ import annotations

LIMITS = "limits come with a later version"
NETWORKS = "an address of that kind is nobody's here"
PODS = "pods come with a later version"
BUILDERS = "there are no builders to choose from: builds run on this machine itself"
BAKING = "write a 'rootless build' for each target"
WINDOWS = "it is for containers of Windows"
SWARM = "it belongs to docker's swarm, for which a daemon is needed"
DAEMON = "there is no daemon to connect to"
PODMAN = "it is about podman's inside"
CHECKPOINTS = "checkpoints need rights that a user does not have; 'rootless commit' keeps files"
SIZES = "what a container writes is bounded by the disk and the user's quota alone"
SIGNING = "signing is for tools of its own, such as cosign and skopeo"

COMMANDS = {
    "buildx stop": BUILDERS,
    "buildx bake": BAKING,
    "compose": "compose files come with a later version",
    "cp": "it comes with a later version; 'rootless export NAME | tar -x PATH' takes files out",
    "volume update": SWARM,
    "pod": PODS,
    "secret": "secrets come with a later version",
    "kube": "files of Kubernetes come with a later version",
    "play": "files of Kubernetes come with a later version",
    "generate": "'rootless boot enable' starts containers with the machine",
    "auto-update": "'rootless run --replace --pull newer' starts a container of a newer image",
    "machine": "containers run on this machine itself",
    "farm": "containers run on this machine itself",
    "system connection": DAEMON,
    "system service": "the interface for programs comes with a later version",
    "context": DAEMON,
    "checkpoint": CHECKPOINTS,
    "restore": CHECKPOINTS,
    "plugin": "plugins belong to docker's daemon",
    "trust": "'rootless image trust' says whose signatures count",
    "config": "docker's is of its swarm; 'rootless help configuration' says where settings are",
    "node": SWARM,
    "service": SWARM,
    "stack": SWARM,
    "swarm": SWARM,
    "sign": SIGNING,
    "scp": "'rootless save IMAGE | ssh HOST rootless load' copies it",
}
"""Commands and groups, by their words or by the last of them."""

OPTIONS = (
    ("--memory --memory-reservation --memory-swap --memory-swappiness", LIMITS),
    ("--cpu-period --cpu-quota --cpu-rt-period --cpu-rt-runtime --cpu-shares --cpus", LIMITS),
    ("--cpuset-cpus --cpuset-mems --blkio-weight --blkio-weight-device --kernel-memory", LIMITS),
    ("--device-read-bps --device-read-iops --device-write-bps --device-write-iops", LIMITS),
    ("--pids-limit", LIMITS),
    ("--link-local-ip", NETWORKS),
    ("--init-ctr --pod --pod-id-file", PODS),
    ("--cpu-count --cpu-percent --io-maxbandwidth --io-maxiops", WINDOWS),
    ("--use-api-socket --tls --tlscacert --tlscert --tlskey --tlsverify", DAEMON),
    ("--checkpoint --checkpoint-dir", CHECKPOINTS),
    ("--volume-driver", "a volume is a directory in the store, without a driver"),
    ("--availability --group --limit-bytes --required-bytes --scope --sharing", SWARM),
    ("--topology-preferred --topology-required --cluster", SWARM),
    ("--sign-by --sign-by-sigstore-private-key --sign-passphrase-file", SIGNING),
)
"""Options, of whatever command."""

OWN = {
    ("run", "--secret"): "secrets come with a later version",
    ("create", "--secret"): "secrets come with a later version",
    ("run", "--isolation"): WINDOWS,
    ("create", "--isolation"): WINDOWS,
    ("run", "-c"): LIMITS,
    ("create", "-c"): LIMITS,
    ("clone", "-c"): LIMITS,
    ("clone", "-m"): LIMITS,
    ("update", "-c"): LIMITS,
    ("ps", "-p"): PODS,
    ("list", "-p"): PODS,
    ("run", "-m"): LIMITS,
    ("create", "-m"): LIMITS,
    ("update", "-m"): LIMITS,
    ("images", "--tree"): "'rootless image tree' shows layers, 'manifest inspect' platforms",
    ("ls", "--tree"): "'rootless image tree' shows layers, 'manifest inspect' platforms",
    ("rmi", "--platform"): "an image here is for one platform",
    ("rm", "--platform"): "an image here is for one platform",
    (
        "logs",
        "--details",
    ): "a log has nothing but lines; 'rootless inspect' has labels and variables",
    ("rm", "--link"): "a link goes with its container",
    ("run", "--storage-opt"): SIZES,
    ("create", "--storage-opt"): SIZES,
    ("ls", "-p"): PODS,
    ("create", "--type"): SWARM,
}
"""Options whose names mean something else in other commands."""

_OF_NETWORKS = (
    ("connect --driver-opt", "a network here has no options for one container"),
    ("connect --gw-priority", "the first network that leads anywhere is the way out"),
    ("connect --link", "--alias gives a name that all on the network know"),
    ("connect --link-local-ip", NETWORKS),
    ("create --attachable --ingress --scope", SWARM),
    ("create --aux-address", "--ip-range says which addresses are given away"),
    ("create --config-from --config-only", SWARM),
    ("create --interface-name --route", "the bridge is in a namespace of its own"),
    ("create --ipam-driver --ipam-opt", "addresses are given by the network itself"),
    ("create --ipv4", "each network has a subnet of IPv4"),
)
OWN |= {(words.split()[0], name): why for words, why in _OF_NETWORKS for name in words.split()[1:]}

_MAPS = "a build maps ids as the store does, so that its layers fit all containers"
_OF_BUILD = (
    ("-c -m", LIMITS),
    ("--cgroup-parent", "RUN is in the control group of whoever builds"),
    (
        "--cpp-flag",
        "a Dockerfile is not preprocessed; 'cpp Dockerfile.in | rootless build -f -' is",
    ),
    ("--decryption-key", "images cannot be encrypted here"),
    ("--hooks-dir --runtime-flag", PODMAN),
    ("--stdin", "RUN reads nothing: many may run at once"),
    (
        "--sbom-image-output --sbom-image-purl-output --sbom-merge-strategy --sbom-output"
        " --sbom-purl-output --sbom-scanner-command --sbom-scanner-image",
        "'--sbom=true' lists packages without a scanner, and -o DIR writes the list as a file",
    ),
    ("--compat-volumes", "what is written after VOLUME is in the image, as BuildKit has it"),
    ("--created-annotation", "a manifest has those annotations that are asked for"),
    ("--inherit-annotations", "none is inherited"),
    ("--inherit-labels", "'--unsetlabel KEY' leaves one out"),
    ("--cw", "images for confidential machines are made by tools of their own"),
    ("--group-add", "USER and the image's /etc/group say which groups a command has"),
    ("--layer-label --save-stages --stage-labels", "'--target STAGE -t NAME' keeps a stage"),
    ("--policy --source-policy-file", "'rootless image trust' says which images are let in"),
    ("--transient-run-mounts", "'--volume' mounts for each RUN"),
    ("--cleanup --farm --local", BUILDERS),
    ("--detach --invoke --server-config", BUILDERS),
    ("--userns --userns-gid-map --userns-gid-map-group", _MAPS),
    ("--userns-uid-map --userns-uid-map-user", _MAPS),
)
OWN |= {("build", name): why for names, why in _OF_BUILD for name in names.split()}
_NAMELESS = "an OCI image has none; `run` gives a container one"
_OF_STEPS = (
    ("config", "--hostname --domainname", _NAMELESS),
    ("from", "-c -m", LIMITS),
    ("from", "--cgroup-parent", "commands are in the control group of whoever runs them"),
    ("from", "--decryption-key", "images cannot be encrypted here"),
    ("from", "--userns --userns-gid-map --userns-gid-map-group", _MAPS),
    ("from", "--userns-uid-map --userns-uid-map-user", _MAPS),
    ("commit", "--encrypt-layer --encryption-key", "images cannot be encrypted here"),
    ("run", "--no-pivot", "a container's root is always pivoted to"),
)
OWN |= {(step, name): why for step, names, why in _OF_STEPS for name in names.split()}
OWN |= {("remove", name): OWN["rm", name] for name in ("--link", "--platform")}
OWN["list", "--tree"] = OWN["ls", "--tree"]


def command(words: list[str]) -> str:
    """Return why there is no such command; "" where neither docker nor podman has it."""
    names = (" ".join(words), words[-1], words[0])
    return next((COMMANDS[name] for name in names if name in COMMANDS), "")


def option(words: list[str], name: str) -> str:
    """Return why the command `words` has no such option."""
    for names, why in OPTIONS:
        if name in names.split():
            return why
    return OWN.get((words[-1], name), "") if words else ""
