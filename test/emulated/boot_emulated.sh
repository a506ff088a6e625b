#!/bin/bash
# boot_emulated.sh "MODEL ..." INIT TEST ...: boots Bochs with each model of processor and the tests; called by the Makefile.
# Each test's lines are printed as they come over the serial line; fails unless all tests of all models end with 0.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$here/build/image
# What Bochs 2.7 says of these makes Linux give up the wide registers; the tests use none of them.
unused=xsaves,xsavec,pku,ospke,mpx,fsrm
models=$1
init=$2
shift 2

for tool in bochs-bin xorriso cpio; do
    command -v "$tool" >/dev/null || { echo "emulated: no $tool; the Makefile names the packages" >&2; exit 1; }
done

find_kernel()
{
    if [ -n "${KERNEL:-}" ]; then
        cp "$KERNEL" "$work/iso/vmlinuz"
        return
    fi
    if ! ls "$here"/build/kernel/boot/vmlinuz-* >/dev/null 2>&1; then
        mkdir -p "$here/build/kernel"
        package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ { print $2; exit }')
        (cd "$here/build/kernel" && apt-get download -qq "$package" && dpkg -x "$package"_*.deb .)
    fi
    cp "$here"/build/kernel/boot/vmlinuz-* "$work/iso/vmlinuz"
}

make_image()
{
    rm -rf "$work"
    mkdir -p "$work/root/tests" "$work/root/dev" "$work/iso/isolinux"
    cp "$init" "$work/root/init"
    cp "$@" "$work/root/tests/"
    strip "$work"/root/tests/*
    mknod "$work/root/dev/console" c 5 1 2>/dev/null || echo "emulated: not root: the kernel makes its own console" >&2
    (cd "$work/root" && find . | cpio -o -H newc --quiet | gzip -1 >"$work/iso/initrd")
    find_kernel
    cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/iso/isolinux/"
    cat >"$work/iso/isolinux/isolinux.cfg" <<END
default tests
label tests
kernel /vmlinuz
append initrd=/initrd console=ttyS0 rdinit=/init panic=-1 clearcpuid=$unused
END
    xorriso -as mkisofs -quiet -o "$work/tests.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
        -boot-load-size 4 -boot-info-table "$work/iso" 2>/dev/null
}

# Boots one model; its lines go to $work/MODEL.serial.
boot()
{
    local model=$1 serial=$work/$1.serial bochs waited=0 shown=0 lines
    cat >"$work/$model.bochsrc" <<END
display_library: rfb, options="timeout=0"
cpu: model=$model, count=1, ips=50000000, reset_on_triple_fault=0
megs: 512
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path=$work/tests.iso, status=inserted
boot: cdrom
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
com1: enabled=1, mode=file, dev=$serial
log: $work/$model.log
panic: action=fatal
clock: sync=none
END
    : >"$serial"
    echo c >"$work/continue"		# Debian's Bochs has its debugger in
    # The display that Bochs wants listens on a port; in a network of its own nobody reaches it.
    unshare -n bochs-bin -q -f "$work/$model.bochsrc" -rc "$work/continue" </dev/null >"$work/$model.screen" 2>&1 &
    bochs=$!
    until grep -aq "^emulated: done" "$serial" || ! kill -0 $bochs 2>/dev/null || [ $waited -ge "${TIMEOUT:-3600}" ]; do
        sleep 2
        waited=$((waited + 2))
        lines=$(grep -ac '' "$serial" || true)
        sed -n "$((shown + 1)),${lines}p" "$serial" | tr -d '\r' | sed -n "/^\(emulated: \|ok - \|not ok - \|# \)/s/^/$model: /p"
        shown=$lines
    done
    kill $bochs 2>/dev/null || true
    wait $bochs 2>/dev/null || true
    grep -q "^emulated: done" "$serial"
}

make_image "$@"
status=0
for model in $models; do
    boot "$model" || { echo "emulated: $model did not finish; see $work" >&2; status=1; }
    grep -a "ended" "$work/$model.serial" | grep -qv "status 0" && status=1
    [ "$(grep -ac "ended with status 0" "$work/$model.serial")" = $# ] || status=1
done
echo "emulated: $(cat "$work"/*.serial | grep -ac '^ok - ') passed, $(cat "$work"/*.serial | grep -ac '^not ok - ') failed"
exit $status
