#!/bin/sh
# Makes the target wasm32-wasip2 available and prints, as its only line on
# stdout, the path of the rustc that has it. The rest goes to stderr.
#
# It takes, in this order: what the active toolchain has; a private toolchain
# that an earlier run made; what rustup can get; a private toolchain that it
# makes of Debian's packages, with nothing installed system-wide. The last is
# for machines that reach a Debian mirror and no Rust one: continuous
# integration and closed sites.
#
# `waystation build` runs this script; to run it by hand is safe, and twice at
# once too.
set -eu

target=wasm32-wasip2
host=x86_64-unknown-linux-gnu
# The compiler and the sources of std must be of one version, or std does not
# build. LLVM is the one that this compiler is linked to.
rust=1.96
llvm=libllvm22
cache=${XDG_CACHE_HOME:-$HOME/.cache}/waystation/toolchain
rustup_seconds_max=180
lock_seconds_max=900

main() {
    command -v rustc >/dev/null || fail "there is no rustc in PATH."
    # Whoever builds guests from within another build must not pass it on.
    unset RUSTC RUSTFLAGS CARGO_ENCODED_RUSTFLAGS RUSTUP_TOOLCHAIN
    sysroot=$(rustc --print sysroot)

    if has_target "$sysroot"; then
        answer "$sysroot"
    elif ready=$(private_toolchain); then
        answer "$ready"
    elif rustup_adds_target; then
        answer "$sysroot"
    else
        make_private_toolchain
        answer "$(private_toolchain)"
    fi
}

has_target() {
    [ -d "$1/lib/rustlib/$target/lib" ]
}

answer() {
    echo "$1/bin/rustc" >&3
}

# Only what is whole ever gets its final name, so a folder that is there is
# complete; its links may still dangle after rustup removed a toolchain.
private_toolchain() {
    for folder in "$cache/$rust".*; do
        if has_target "$folder" && [ -x "$folder/bin/cargo" ] &&
            [ -x "$folder/lib/rustlib/$host/bin/rust-lld" ]; then
            echo "$folder"
            return
        fi
    done
    return 1
}

rustup_adds_target() {
    command -v rustup >/dev/null || return 1
    echo "Adding the target $target with rustup ..."
    timeout "$rustup_seconds_max" rustup target add "$target" && has_target "$sysroot"
}

make_private_toolchain() {
    need_debian
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock -w "$lock_seconds_max" 9 || fail "another run holds $cache/lock."
    if private_toolchain >/dev/null; then
        return
    fi

    version=$(newest_version)
    if [ -z "$version" ]; then
        apt_get update || fail "the lists of Debian's packages cannot be read."
        version=$(newest_version)
    fi
    [ -n "$version" ] || fail "Debian's mirror offers no rustc-web $rust."

    echo "rustup cannot get $target; making a private toolchain of Debian's Rust $version ..."
    work=$(mktemp -d "$cache/.making.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' INT TERM
    unpack_packages "$work/packages" "$work/toolchain"
    complete_toolchain "$work/toolchain"
    build_std "$work/toolchain" "$work/std"

    rm -rf "${cache:?}/$version"
    mv "$work/toolchain" "$cache/$version"
    echo "Made $cache/$version."
}

need_debian() {
    [ "$(uname -sm)" = "Linux x86_64" ] || fail "this machine is not Linux on x86_64."
    for tool in apt-get apt-cache dpkg flock cc; do
        command -v "$tool" >/dev/null || fail "there is no $tool on this machine."
    done
    for tool in rust-lld wasm-component-ld; do
        [ -x "$sysroot/lib/rustlib/$host/bin/$tool" ] ||
            fail "the toolchain in $sysroot has no $tool; take one that rustup installed."
    done
}

newest_version() {
    apt-cache madison rustc-web | awk '{ print $3 }' | grep "^$rust\." | sort -V | tail -n 1
}

apt_get() {
    # Apt's own user may not write into a folder in somebody's home.
    apt-get -q -o APT::Sandbox::User=root "$@"
}

unpack_packages() {
    mkdir -p "$1" "$2"
    (
        cd "$1"
        apt_get download \
            "rustc-web=$version" "libstd-rust-web-$rust=$version" \
            "libstd-rust-web-dev=$version" "rust-web-src=$version" \
            "$llvm" wasi-libc
    ) || fail "Debian's packages cannot be downloaded."
    for package in "$1"/*.deb; do
        dpkg -x "$package" "$1/root"
    done
    mv "$1/root/usr/"* "$2/"
    # Of the sources only the library's are needed: a sixth of the tree.
    rm -rf "$2"/src/rustc-*/compiler "$2"/src/rustc-*/src "$2/share"
}

# Debian's compiler looks for its libraries in the system's folder, and Debian's
# packages hold neither lld nor a linker of components.
complete_toolchain() {
    mkdir -p "$1/libexec" "$1/lib/rustlib/$host/bin"
    for library in "$1"/lib/x86_64-linux-gnu/*.so*; do
        ln -s "x86_64-linux-gnu/$(basename "$library")" "$1/lib/"
    done
    mv "$1/bin/rustc" "$1/libexec/rustc"
    cat >"$1/bin/rustc" <<'WRAPPER'
#!/bin/sh
here=$(dirname "$0")/..
LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$here/libexec/rustc" "$@"
WRAPPER
    chmod +x "$1/bin/rustc"
    for tool in rust-lld wasm-component-ld; do
        ln -s "$sysroot/lib/rustlib/$host/bin/$tool" "$1/lib/rustlib/$host/bin/$tool"
    done
    ln -s "$sysroot/bin/cargo" "$1/bin/cargo"
}

# What std depends on comes from the registry, as a handler's dependencies do:
# Debian's copies lack the parts that were compiled beforehand.
build_std() {
    library="$1/lib/rustlib/$target/lib"
    mkdir -p "$library/self-contained" "$2/empty/src"
    for object in crt1-command.o crt1-reactor.o libc.a; do
        cp "$1/lib/wasm32-wasi/$object" "$library/self-contained/"
    done

    cat >"$2/empty/Cargo.toml" <<'MANIFEST'
[package]
name = "empty"
edition = "2021"
[workspace]
MANIFEST
    : >"$2/empty/src/lib.rs"
    # The variable lets a stable compiler and a stable cargo take -Z, for std alone.
    (
        cd "$2/empty"
        RUSTC="$1/bin/rustc" RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes \
            CARGO_TARGET_DIR="$2/target" \
            "$1/bin/cargo" build --quiet --release \
            -Z build-std=std,panic_abort --target "$target"
    ) || fail "the standard library does not build for $target."
    cp "$2/target/$target/release/deps/"lib*.rlib "$library/"
    rm -rf "$library"/libempty-*.rlib "$1/src" "$1/lib/rustlib/src" "$1/bin/rustdoc"
}

fail() {
    echo "error: cannot get the target $target: $1"
    echo "  Install it by hand with: rustup target add $target"
    echo "  or set a toolchain that has it as the default: rustup default <toolchain>"
    exit 1
}

main "$@" 3>&1 1>&2 </dev/null
