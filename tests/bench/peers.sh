# Installs the servers that the host is compared with, if they are not there and
# this is a Debian with its archive in reach. Failing is no error: `peers` measures
# what it finds. Debian starts the services that it installs; what is measured are
# processes of their own.
missing=
command -v nats-server >/dev/null || missing="$missing nats-server"
command -v redis-server >/dev/null || missing="$missing redis-server"
[ -z "$missing" ] && exit 0
apt() {
    DEBIAN_FRONTEND=noninteractive timeout 120 apt-get -q -o Acquire::Retries=0 -o Acquire::http::Timeout=10 "$@"
}
apt update && apt install -y --no-install-recommends $missing
