package iptables

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"shunt/plan"
)

// variant returns which variant a family's commands are of.
func (b *Backend) variant(fam plan.Family) string {
	if fam == plan.IPv6 {
		return b.variants[1]
	}
	return b.variants[0]
}

// resolve finds out which variant the plain commands are of.
func (b *Backend) resolve(ctx context.Context) (err error) {
	if b.variants[0], err = b.ofPlain(ctx, plan.IPv4); err != nil {
		return err
	}
	b.variants[1], err = b.ofPlain(ctx, plan.IPv6)
	switch {
	case errors.Is(err, ErrMissingCommand):
		b.variants[1] = b.variants[0] // only a plan with IPv6 needs it, and fails then
	case err != nil:
		return err
	case b.variants[0] != b.variants[1] && !b.opt.NoIPv6:
		return fmt.Errorf("iptables-restore is of the %s variant and ip6tables-restore of the %s variant: %w", b.variants[0], b.variants[1], ErrMixedVariants)
	}
	return nil
}

// ofPlain finds out which variant a family's plain commands are of. That is the
// distribution's or an administrator's choice, made by links, and following a
// link costs no child process. Only where the link leads to some other program
// is that one asked.
func (b *Backend) ofPlain(ctx context.Context, fam plan.Family) (string, error) {
	path, err := b.find(commandName(ModePlain, fam, "restore"))
	if err != nil {
		return "", err
	}
	if variant := variantOfLink(path); variant != "" {
		return variant, nil
	}
	version, err := b.ask(ctx, child{family: fam, verb: "restore", args: []string{"--version"}})
	if err != nil {
		return "", err
	}
	// "iptables-restore v1.8.9 (nf_tables)"; before 1.8 there was one variant,
	// and no remark.
	if strings.Contains(version, "(nf_tables)") {
		return ModeNFT, nil
	}
	return ModeLegacy, nil
}

// variantOfLink tells the variant by the name of the program at the end of a
// chain of links; "" if that says nothing.
func variantOfLink(path string) string {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return ""
	}
	switch name := filepath.Base(target); {
	case name == "xtables-nft-multi" || strings.HasSuffix(name, "tables-nft-restore"):
		return ModeNFT
	case name == "xtables-legacy-multi" || strings.HasSuffix(name, "tables-legacy-restore"):
		return ModeLegacy
	case name == "xtables-multi": // before 1.8
		return ModeLegacy
	}
	return ""
}

// natExists reports whether a family's legacy nat table exists. Any other way
// to ask makes it: the kernel sets a table up on its first use in a namespace
// (xt_find_table_lock in net/netfilter/x_tables.c), and from then on every
// connection passes it. Only root of the namespace's user namespace may read
// the list; for others the error is fs.ErrPermission.
func natExists(fam plan.Family) (bool, error) {
	names, err := LegacyTables(fam)
	return slices.Contains(names, "nat"), err
}

// LegacyTables names the legacy tables that a family has in the calling thread's
// namespace. The error is fs.ErrPermission for who is not root of the namespace's
// user namespace.
func LegacyTables(fam plan.Family) ([]string, error) {
	text, err := readProc("/proc/thread-self/net/" + fam.String() + "_tables_names")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // no legacy iptables in this kernel, or not yet
	}
	return strings.Fields(string(text)), err
}

// readProc reads a small file of /proc in one go. os.ReadFile would start the
// runtime's poller for it, which costs more than all of the reading.
func readProc(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	b := make([]byte, 4096)
	n, err := unix.Read(fd, b)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return b[:n], nil
}
