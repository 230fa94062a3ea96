# Sourced by tests/run, tests/demo and bot/packaging/build-deb: installs what is missing on Debian 12 and builds.

# setup_install NAME …: says what it does, and does nothing when all is there.
setup_install() {
	local missing=() name sudo=()
	for name in "$@"; do
		dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q 'ok installed' ||
			missing+=("$name")
	done
	[ "${#missing[@]}" != 0 ] || return 0
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || {
			echo "These packages are missing, and there is neither root nor sudo: ${missing[*]}" >&2
			return 1
		}
		sudo=(sudo)
	fi
	echo "== installing ${missing[*]}"
	"${sudo[@]}" apt-get update -q
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -q --no-install-recommends "${missing[@]}"
}

# What the program is built with: as its Debian package asks for it, but for the tools of the packaging.
mapfile -t setup_build_packages < <(sed -n '/^Build-Depends:/,/^[^ ]/s/^ \([a-z0-9.+-]*\).*/\1/p' \
	"${BASH_SOURCE[0]%/*}/../../bot/packaging/debian/control" | grep -v '^debhelper\|^dh-')
setup_build_packages+=(gcc ninja-build)
# what the throwaway homeserver is made with
setup_homeserver_packages=(mmdebstrap ca-certificates tzdata)
# what the Debian package is built with
setup_deb_packages=("${setup_build_packages[@]}" build-essential debhelper dh-apparmor dpkg-dev lintian git)
setup_packages=("${setup_deb_packages[@]}" "${setup_homeserver_packages[@]}" clang libclang-rt-dev clang-format clang-tidy
	cppcheck libcmocka-dev nghttp2-proxy openssl systemd systemd-container prometheus prometheus-alertmanager valgrind
	python3-matrix-nio python3-olm mypy libfaketime zsh fish chromium nginx-light victoria-metrics caddy)

command -v npm >/dev/null || setup_packages+=(npm) # for the clients of tests/clients/

# setup_build FOLDER OPTION …
setup_build() {
	local folder=$1
	shift
	[ -f "$folder/build.ninja" ] || meson setup "$folder" "$@"
	ninja -C "$folder"
}
