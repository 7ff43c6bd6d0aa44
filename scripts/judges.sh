#!/usr/bin/env bash
# Installs the outside programs that some tests ask for their opinion: a machine without them skips those tests, and says so. Only where this
# may be done without asking: as root on Debian. Always succeeds.
set -u
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0
wanted=()
while read -r program package; do
  command -v "$program" >/dev/null || wanted+=("$package")
done <<'LIST'
slowhttptest slowhttptest
chromium chromium
promtool prometheus
node nodejs
LIST
[ ${#wanted[@]} = 0 ] && exit 0
echo "novate: installing ${wanted[*]}" >&2
apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null ||
  echo "novate: ${wanted[*]} could not be installed; their tests are skipped" >&2
exit 0
