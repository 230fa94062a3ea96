# Sourced by tests/run and tests/demo: installs what is missing on Debian 12 and builds.

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

setup_packages=(gcc clang libclang-rt-dev clang-format clang-tidy cppcheck git meson ninja-build pkg-config libolm-dev
	libcurl4-openssl-dev libjansson-dev libuv1-dev libsqlite3-dev libinih-dev libpcre2-dev libmicrohttpd-dev libssl-dev libcairo2-dev libyaml-dev
	libcmocka-dev scdoc python3 mmdebstrap nghttp2-proxy openssl systemd prometheus prometheus-alertmanager
	valgrind tzdata ca-certificates python3-matrix-nio python3-olm libfaketime zsh fish)

command -v npm >/dev/null || setup_packages+=(npm) # for the clients of tests/clients/

# setup_build FOLDER OPTION …
setup_build() {
	local folder=$1
	shift
	[ -f "$folder/build.ninja" ] || meson setup "$folder" "$@"
	ninja -C "$folder"
}
