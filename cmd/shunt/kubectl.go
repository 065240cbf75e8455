package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"shunt/config"
)

// kubectl is the cluster that the verbs of `kubectl shunt` ask, by kubectl itself:
// its credentials, its plugins and its versions are the user's.
type kubectl struct {
	sys                            *system
	context, namespace, kubeconfig string
}

func (k *kubectl) bind(fs *pflag.FlagSet) {
	fs.StringVarP(&k.namespace, "namespace", "n", "", "the `namespace` of what is named; without it, the context's")
	fs.StringVar(&k.context, "context", "", "the `name` of the kubeconfig's context to use")
	fs.StringVar(&k.kubeconfig, "kubeconfig", "", "the `file` to read contexts from")
}

// global returns the flags with which every kubectl is called.
func (k *kubectl) global() (flags []string) {
	if k.kubeconfig != "" {
		flags = append(flags, "--kubeconfig="+k.kubeconfig)
	}
	if k.context != "" {
		flags = append(flags, "--context="+k.context)
	}
	return flags
}

// answer is what a kubectl that ran said.
type answer struct {
	args   []string
	status int
	stdout []byte
	stderr string
}

// fail is the answer as an error. Its last line is kubectl's own, such as «Error
// from server (NotFound): pods "x" not found».
func (a *answer) fail() error {
	lines := strings.Split(strings.TrimSpace(a.stderr), "\n")
	return fmt.Errorf("kubectl %s: %s", strings.Join(a.args, " "), strings.TrimPrefix(lines[len(lines)-1], "error: "))
}

// call runs kubectl. Only one that could not be run is an error.
func (k *kubectl) call(ctx context.Context, args ...string) (*answer, error) {
	path, err := exec.LookPath("kubectl")
	if err != nil {
		return nil, &config.InputError{Err: fmt.Errorf("%w: kubectl shunt calls kubectl: is it in PATH?", err)}
	}
	a := &answer{args: append(k.global(), args...)}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, path, a.args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	exit, ended := errors.AsType[*exec.ExitError](err)
	if err != nil && !ended {
		return nil, &config.InputError{Err: fmt.Errorf("kubectl: %w", err)}
	}
	if ended {
		a.status = exit.ExitCode()
	}
	a.stdout, a.stderr = out.Bytes(), errs.String()
	return a, nil
}

// get returns objects as JSON. What kubectl cannot get is an InputError.
func (k *kubectl) get(ctx context.Context, args ...string) ([]byte, error) {
	a, err := k.call(ctx, append(append([]string{"get"}, args...), "-o", "json")...)
	if err == nil && a.status != 0 {
		err = &config.InputError{Err: a.fail()}
	}
	if err != nil {
		return nil, err
	}
	return a.stdout, nil
}

// inNamespace returns the flag for objects of a namespace; none means the
// context's.
func inNamespace(name string) []string {
	if name == "" {
		return nil
	}
	return []string{"--namespace=" + name}
}

// object is what kubectl shunt reads of an object of any kind.
type object struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
	} `json:"metadata"`
	Items []json.RawMessage `json:"items"` // of a List
}

// manifests returns objects as a List, with the Namespace that they are in, which
// decides about injection: as `kubectl get -o json` would print them all. The name
// is that of the first.
func (k *kubectl) manifests(ctx context.Context, names ...string) (list io.Reader, name string, err error) {
	text, err := k.get(ctx, slices.Concat(inNamespace(k.namespace), names)...)
	if err != nil {
		return nil, "", err
	}
	var first object
	if err := json.Unmarshal(text, &first); err != nil {
		return nil, "", fmt.Errorf("read kubectl's answer: %w", err)
	}
	all := []json.RawMessage{text}
	if first.Items != nil {
		if all = first.Items; len(all) == 0 {
			return nil, "", &config.InputError{Err: errors.New("there is nothing to look at in the namespace")}
		}
		if err := json.Unmarshal(all[0], &first); err != nil {
			return nil, "", fmt.Errorf("read kubectl's answer: %w", err)
		}
	}
	if ns := first.Metadata.Namespace; ns != "" {
		space, err := k.get(ctx, "namespace/"+ns)
		if err != nil {
			fmt.Fprintln(k.sys.stderr, "going on without Namespace "+ns+", whose annotations may ask for a proxy: "+err.Error())
		} else {
			all = append(all, space)
		}
	}
	joined, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": all})
	return bytes.NewReader(joined), first.Metadata.Namespace + "/" + first.Kind + "/" + first.Metadata.Name, err
}

// typed returns a name as kubectl get takes it: what has no type is a pod.
func typed(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return "pod/" + name
}

// stdinName is what errors and findings call standard input: in the plugin, it is
// what the cluster has.
func (s *system) stdinName() string {
	if s.role == kubectlPlugin {
		return "the cluster"
	}
	return "standard input"
}
