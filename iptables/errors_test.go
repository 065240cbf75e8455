package iptables

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"shunt/apply"
)

// What commands print is from iptables 1.8.9, if it does not say otherwise.
func TestExplainSaysWhatAFailureMeans(t *testing.T) {
	t.Parallel()
	const input = "*nat\n:PROXY_INIT_OUTPUT - [0:0]\n-A PROXY_INIT_OUTPUT -o lo -j RETURN\n-D OUTPUT -p tcp -j PROXY_INIT_OUTPUT\n-X PROXY_INIT_OUTPUT\nCOMMIT\n-A PROXY_INIT_OUTPUT -m owner --uid-owner 2102 -j RETURN\n"
	tests := []struct {
		name, stderr string
		is           error
		says         string
	}{
		{
			name:   "lock held",
			stderr: "Can't lock /run/xtables.lock: Resource temporarily unavailable\nAnother app is currently holding the xtables lock. Stopped waiting after 5s.\n",
			is:     ErrXtablesLocked, says: "another process held the xtables lock",
		},
		{
			name:   "lock not to be opened",
			stderr: "Fatal: can't open lock file /run/xtables.lock: Permission denied\n",
			is:     ErrLockFile, says: "cannot be opened",
		},
		{
			name:   "no capability, nft",
			stderr: "iptables-nft-restore v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)\n",
			is:     fs.ErrPermission, says: "NET_ADMIN",
		},
		{
			name:   "no capability, legacy save",
			stderr: "iptables-save v1.8.9 (legacy): Cannot initialize: Permission denied (you must be root)\n",
			is:     fs.ErrPermission, says: "NET_RAW",
		},
		{
			name:   "no reason, legacy restore",
			stderr: "iptables-restore v1.8.9 (legacy): iptables-restore: unable to initialize table 'nat'\nError occurred at line: 1\nTry `iptables-restore -h' or 'iptables-restore --help' for more information.\n",
			is:     errNoReason, says: `that line is "*nat"`,
		},
		{
			name:   "no nat in the kernel, legacy save",
			stderr: "iptables-save v1.8.9 (legacy): Cannot initialize: Table does not exist (do you need to insmod?)\n",
			is:     apply.ErrNotSupported, says: "the kernel has no NAT",
		},
		{
			name:   "no nf_tables in the kernel (1.8.7)",
			stderr: "iptables-restore/1.8.7 Failed to initialize nft: Protocol not supported\n",
			is:     apply.ErrNotSupported,
		},
		{
			name:   "no nf_tables in the kernel, another way (1.8.7)",
			stderr: "iptables-nft-save v1.8.7 (nf_tables): Could not fetch rule set generation id: Invalid argument\n",
			is:     apply.ErrNotSupported,
		},
		{
			name:   "extension not installed",
			stderr: "iptables-restore v1.8.9 (legacy): Couldn't load match `owner':No such file or directory\n\nError occurred at line: 3\nTry `iptables-restore -h' or 'iptables-restore --help' for more information.\n",
			is:     apply.ErrNotSupported, says: `that line is "-A PROXY_INIT_OUTPUT -o lo -j RETURN"`,
		},
		{
			name:   "extension not in the kernel, nft",
			stderr: "iptables-nft-restore v1.8.9 (nf_tables): \nline 3: RULE_APPEND failed (No such file or directory): rule in chain PROXY_INIT_OUTPUT\n",
			is:     apply.ErrNotSupported,
		},
		{
			name:   "jump gone meanwhile, nft",
			stderr: "iptables-nft-restore: line 4 failed: Bad rule (does a matching rule exist in that chain?).\n",
			is:     apply.ErrStale, says: `that line is "-D OUTPUT -p tcp -j PROXY_INIT_OUTPUT"`,
		},
		{
			name:   "jump gone meanwhile, legacy",
			stderr: "iptables-restore: line 4 failed\n",
			is:     apply.ErrStale,
		},
		{
			name:   "chain in use meanwhile, nft",
			stderr: "iptables-nft-restore v1.8.9 (nf_tables): \nline 5: CHAIN_DEL failed (Device or resource busy): chain PROXY_INIT_OUTPUT\n",
			is:     apply.ErrStale,
		},
		{
			name:   "jump that cannot be read back",
			stderr: "iptables-restore v1.8.9 (legacy): Couldn't load match `mine':No such file or directory\n\nError occurred at line: 4\n",
			says:   `that line is "-D OUTPUT -p tcp -j PROXY_INIT_OUTPUT"`,
		},
		{
			name:   "kernel refuses, legacy",
			stderr: "iptables-restore: line 6 failed\n",
			says:   "see dmesg",
		},
		{
			name:   "id that the user namespace does not have, nft",
			stderr: "iptables-nft-restore v1.8.9 (nf_tables): \nline 7: RULE_APPEND failed (Invalid argument): rule in chain PROXY_INIT_OUTPUT\n",
			says:   "may not be mapped",
		},
		{
			name:   "too much for a user namespace, nft",
			stderr: "sendmsg() failed: Message too long\niptables-nft-restore: line 4 failed: Message too long.\n",
			is:     ErrSocketBuffer, says: "net.core.wmem_max",
		},
		{
			name:   "too old for -w",
			stderr: "iptables-restore: unrecognized option '-w'\nTry `iptables-restore -h' for more information.\n",
			is:     apply.ErrNotSupported, says: "needs iptables 1.6.2 or later",
		},
		{
			name:   "anything else",
			stderr: strings.Repeat("out of luck ", 100),
			says:   "exit status 1: out of luck",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := explain(failure{command: "some-restore -w 5", path: "/nonexistent", cause: errors.New("exit status 1"), complaint: test.stderr, input: input})
			for _, is := range []error{fs.ErrPermission, errNoReason, ErrXtablesLocked, ErrLockFile, ErrSocketBuffer, apply.ErrNotSupported, apply.ErrStale} {
				if errors.Is(err, is) != (is == test.is) {
					t.Errorf("is %q: %v", is, errors.Is(err, is))
				}
			}
			text := err.Error()
			if !strings.Contains(text, test.says) || !strings.HasPrefix(text, "some-restore -w 5: exit status 1: ") {
				t.Errorf("%s\nwant in it: %s", text, test.says)
			}
			if strings.Contains(text, "\n") || strings.Contains(text, "Try `") || len(text) > 1000 {
				t.Errorf("not one plain line: %q", text)
			}
		})
	}
}

func TestReasonOfALegacyRestoreIsAskedOfTheSave(t *testing.T) {
	t.Parallel()
	isolate(t)
	f := fakes{dir: t.TempDir()}
	f.write(t, "ip6tables-legacy-restore", "echo \"ip6tables-restore v1.8.9 (legacy): ip6tables-restore: unable to initialize table 'nat'\" >&2; exit 2")
	f.write(t, "ip6tables-legacy-save", "echo 'ip6tables-save v1.8.9 (legacy): Cannot initialize: Table does not exist (do you need to insmod?)' >&2; exit 1")
	_, err := try(t, withFakes(t, ModeLegacy, f), standard())
	if !errors.Is(err, apply.ErrNotSupported) || errors.Is(err, ErrMissingCommand) {
		t.Errorf("apply: %v", err)
	}
	if got := saved(t, ModeLegacy, "ip"); strings.Contains(got, "PROXY_INIT") {
		t.Errorf("IPv4 rules are left:\n%s", got)
	}
}

func TestAnOldCommandIsNamed(t *testing.T) {
	t.Parallel()
	isolate(t)
	f := fakes{dir: t.TempDir()}
	f.write(t, "iptables-legacy-restore", "echo \"iptables-restore: unrecognized option '-w'\" >&2; exit 1")
	_, err := try(t, withFakes(t, ModeLegacy, f), standard())
	if err == nil || !strings.Contains(err.Error(), "1.6.2 or later: see "+f.dir+"/iptables-legacy-restore --version") {
		t.Errorf("apply: %v", err)
	}
}
