# Installs the servers that the host is compared with, if they are not there and
# this is a Debian with its archive in reach. Failing is no error: `peers` measures
# what it finds. Debian starts the services that it installs; what is measured are
# processes of their own.
missing=
command -v nats-server >/dev/null || missing="$missing nats-server"
command -v redis-server >/dev/null || missing="$missing redis-server"
[ -z "$missing" ] && exit 0
apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing
