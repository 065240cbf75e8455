package cni

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/containernetworking/cni/pkg/types"

	"shunt/pods"
)

// The verbs of the specification, in CNI_COMMAND.
const (
	verbAdd     = "ADD"
	verbDel     = "DEL"
	verbCheck   = "CHECK"
	verbGC      = "GC"
	verbStatus  = "STATUS"
	verbVersion = "VERSION"
)

// newest is the newest version of the specification that is supported.
const newest = "1.1.0"

// supported returns the versions of the specification, oldest first. Older
// ones than 0.3.1 have no chains.
func supported() []string { return []string{"0.3.1", "0.4.0", "1.0.0", newest} }

// since returns the version that introduced a verb.
func since(verb string) string {
	switch verb {
	case verbCheck:
		return "0.4.0"
	case verbGC, verbStatus:
		return newest
	}
	return "0.3.1"
}

// maxConf bounds standard input: enough for tens of thousands of subnets.
const maxConf = 8 << 20

// dispatch does what CNI_COMMAND says.
func (r *run) dispatch() error {
	if r.verb == verbVersion {
		var err error
		r.result, err = json.Marshal(struct {
			CNIVersion        string   `json:"cniVersion"`
			SupportedVersions []string `json:"supportedVersions"`
		}{newest, supported()})
		return err
	}
	carryOut := r.verbFunc()
	if carryOut == nil {
		return types.NewError(types.ErrInvalidEnvironmentVariables, fmt.Sprintf("shunt: CNI_COMMAND: unknown verb %s", quoted(r.verb)),
			"want ADD, DEL, CHECK, GC, STATUS or VERSION; "+hintEnvironment)
	}
	args, err := r.readArgs()
	if err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(r.stdin, maxConf+1))
	if err != nil {
		return types.NewError(types.ErrIOFailure, fmt.Sprintf("shunt: read the network configuration from standard input: %v", err), "")
	}
	if len(data) > maxConf {
		return types.NewError(types.ErrInvalidNetworkConfig, fmt.Sprintf("shunt: the network configuration is larger than %d MiB", maxConf>>20), hintConf)
	}
	c, err := r.newCall(args, data)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithDeadline(context.Background(), r.start.Add(c.conf.timeout))
	defer cancel()
	r.limit.Reset(time.Until(r.start.Add(c.conf.timeout + grace)))
	err = carryOut(ctx, c)
	if ctx.Err() != nil {
		return c.late(err)
	}
	return err
}

// verbFunc returns what carries the verb out; nil if there is no such verb.
func (r *run) verbFunc() func(context.Context, *call) error {
	switch r.verb {
	case verbAdd:
		return add
	case verbDel:
		return del
	case verbCheck:
		return check
	case verbGC:
		return gc
	case verbStatus:
		return status
	}
	return nil
}

// hintEnvironment is for people who meant the command line.
const hintEnvironment = "a container runtime sets the environment; for shunt's command line give a command, as in shunt help"

// args is what the runtime gives in the environment. CNI_PATH, where other
// plugins are, is of no use here.
type args struct {
	containerID string
	netns       string
	pod         pods.ID
}

// readArgs reads what the verb needs of the environment.
func (r *run) readArgs() (a args, err error) {
	if r.verb == verbGC || r.verb == verbStatus {
		return a, nil // these are about the node
	}
	a.containerID, a.netns = r.getenv("CNI_CONTAINERID"), r.getenv("CNI_NETNS")
	var missing []string
	for _, name := range []string{"CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"} {
		if r.getenv(name) == "" && (r.verb != verbDel || name != "CNI_NETNS") {
			missing = append(missing, name)
		}
	}
	switch {
	case missing != nil:
		err = fmt.Errorf("missing in the environment: %s", strings.Join(missing, ", "))
	case !validName(a.containerID):
		err = fmt.Errorf("CNI_CONTAINERID is %s: want letters and digits, then also _ . -", quoted(a.containerID))
	default:
		a.pod, err = parseArgs(r.getenv("CNI_ARGS"))
	}
	if err != nil {
		return a, types.NewError(types.ErrInvalidEnvironmentVariables, "shunt: "+err.Error(), hintEnvironment)
	}
	return a, nil
}

// validName reports whether a container id or a network's name is as the
// specification wants it: a letter or digit, then also _ . and -.
func validName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i > 0 && (c == '_' || c == '.' || c == '-'):
		default:
			return false
		}
	}
	return name != ""
}

// checkVersion refuses what this plugin, or the verb in this version of the
// specification, does not know.
func checkVersion(verb, version string) error {
	versions := supported()
	at := slices.Index(versions, version)
	if at < 0 {
		return types.NewError(types.ErrIncompatibleCNIVersion,
			fmt.Sprintf("shunt: cniVersion %s is not supported", quoted(version)),
			"want one of "+strings.Join(versions, ", "))
	}
	if at < slices.Index(versions, since(verb)) {
		return types.NewError(types.ErrIncompatibleCNIVersion,
			fmt.Sprintf("shunt: cniVersion %s has no %s", version, verb), "it came with "+since(verb))
	}
	return nil
}
