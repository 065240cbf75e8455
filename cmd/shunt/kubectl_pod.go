package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"shunt/config"
	"shunt/manifest"
)

// podLook looks into the network namespace of a pod.
type podLook struct {
	*kubectl
	image string

	of, by *pod // what is looked at, and the agent that looks, if one does
}

func (p *podLook) bindImage(fs *pflag.FlagSet) {
	fs.StringVar(&p.image, "image", "", "the `image` of shunt for an ephemeral container, where the node has no agent (default the agent's)")
}

// pod is what kubectl shunt reads of a pod.
type pod struct {
	object
	Spec struct {
		NodeName    string `json:"nodeName"`
		HostNetwork bool   `json:"hostNetwork"`
		Containers  []struct {
			Name         string `json:"name"`
			Image        string `json:"image"`
			VolumeMounts []struct {
				MountPath string `json:"mountPath"`
			} `json:"volumeMounts"`
		} `json:"containers"`
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"` // of what makes pods
	} `json:"spec"`
	Status struct {
		Phase string `json:"phase"`
	} `json:"status"`

	text []byte
}

func (p *pod) String() string { return p.Metadata.Namespace + "/" + p.Metadata.Name }

// agentLabel is on the pods of the DaemonSet, under every chart.
const agentLabel = "k8s-app=linkerd-cni"

// The programs' places in the image.
const (
	agentProgram = "/shunt-agent"
	shuntProgram = "/shunt"
)

// look prints what a verb says in a pod: by the agent on the pod's node, which can
// enter the namespaces there, or else by an ephemeral container of the pod. Where
// neither can be had, the error says what to run on the node.
func (p *podLook) look(ctx context.Context, name, verb string, words []string) error {
	return p.lookFor(ctx, name, verb, words, words, func(text []byte) []byte { return text })
}

// lookFor asks with other words than those by which somebody would ask by hand, and
// shows the answer as show makes it.
func (p *podLook) lookFor(ctx context.Context, name, verb string, byHand, words []string, show func([]byte) []byte) error {
	pod, err := p.find(ctx, name)
	switch {
	case err != nil:
		return err
	case pod.Spec.HostNetwork:
		return &config.InputError{Err: fmt.Errorf("pod %s has the node's network, where shunt has no rules", pod)}
	case pod.Spec.NodeName == "" || pod.Status.Phase != "Running" && pod.Status.Phase != "Pending":
		return &config.InputError{Err: fmt.Errorf("pod %s is not on a node, or has ended (phase %s): it has no network namespace", pod, pod.Status.Phase)}
	}
	p.of = pod
	agent, why := p.agent(ctx, pod)
	if agent != nil && !agent.seesPods() {
		why = fmt.Errorf("the agent on node %s does not see the namespaces of pods (its chart is Linkerd's, or repair is off)", pod.Spec.NodeName)
	} else if agent != nil {
		p.by = agent
		command := append([]string{agentProgram, "pod", pod.String(), verb}, words...)
		done, err := p.print(ctx, show, append([]string{"exec", "--namespace=" + agent.Metadata.Namespace, agent.Metadata.Name,
			"--container=" + agent.Spec.Containers[0].Name, "--"}, command...)...)
		if done {
			return err
		}
		p.by, why = nil, err
	}
	image := p.image
	if image == "" && agent != nil {
		image = agent.Spec.Containers[0].Image
	}
	if image == "" {
		return p.byHand(pod, verb, byHand, fmt.Errorf("%w; for an ephemeral container in the pod give the image of shunt with --image", why))
	}
	fmt.Fprintf(p.sys.stderr, "%v: looking from an ephemeral container in the pod\n", why)
	command, err := inPod(pod, verb, words)
	if err != nil {
		return err
	}
	done, err := p.print(ctx, show, append([]string{"debug", "--namespace=" + pod.Metadata.Namespace, "pod/" + pod.Metadata.Name,
		"--profile=netadmin", "--image=" + image, "--attach", "--quiet", "--"}, command...)...)
	if done {
		return err
	}
	return p.byHand(pod, verb, byHand, err)
}

// find returns a pod by its name, or one of those that a workload has.
func (p *podLook) find(ctx context.Context, name string) (*pod, error) {
	text, err := p.get(ctx, append(inNamespace(p.namespace), typed(name))...)
	if err != nil {
		return nil, err
	}
	found := &pod{text: text}
	if err := json.Unmarshal(text, found); err != nil {
		return nil, fmt.Errorf("read kubectl's answer: %w", err)
	}
	if found.Kind == "Pod" {
		return found, nil
	}
	var labels []string
	for key, value := range found.Spec.Selector.MatchLabels {
		labels = append(labels, key+"="+value)
	}
	slices.Sort(labels)
	if labels == nil {
		return nil, &config.InputError{Err: fmt.Errorf("%s has no selector: name a pod", name)}
	}
	pods, err := p.list(ctx, "--namespace="+found.Metadata.Namespace, "--selector="+strings.Join(labels, ","), "--field-selector=status.phase=Running")
	if err == nil && len(pods) == 0 {
		err = &config.InputError{Err: fmt.Errorf("%s has no pod that runs", name)}
	}
	if err != nil {
		return nil, err
	}
	return pods[0], nil
}

func (p *podLook) list(ctx context.Context, args ...string) ([]*pod, error) {
	text, err := p.get(ctx, append([]string{"pods"}, args...)...)
	if err != nil {
		return nil, err
	}
	var list object
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("read kubectl's answer: %w", err)
	}
	var out []*pod
	for _, item := range list.Items {
		one := &pod{text: item}
		if err := json.Unmarshal(item, one); err != nil {
			return nil, fmt.Errorf("read kubectl's answer: %w", err)
		}
		out = append(out, one)
	}
	return out, nil
}

// agent returns the agent's pod on the node of another pod, or why there is none.
func (p *podLook) agent(ctx context.Context, of *pod) (*pod, error) {
	pods, err := p.list(ctx, "--all-namespaces", "--selector="+agentLabel, "--field-selector=status.phase=Running,spec.nodeName="+of.Spec.NodeName)
	switch {
	case err != nil:
		return nil, err
	case len(pods) == 0 || len(pods[0].Spec.Containers) == 0:
		return nil, fmt.Errorf("node %s has no agent (pod with label %s)", of.Spec.NodeName, agentLabel)
	}
	return pods[0], nil
}

// seesPods reports whether the agent's container has the node's folder of network
// namespaces: shunt's chart mounts it, unless repair is off.
func (p *pod) seesPods() bool {
	for _, m := range p.Spec.Containers[0].VolumeMounts {
		if m.MountPath == "/run/netns" || m.MountPath == "/host/proc" {
			return true
		}
	}
	return false
}

// print runs kubectl and prints what the program that it runs somewhere else says.
// The exit status is that program's. If it did not run, done is false, and the error
// says why.
func (p *podLook) print(ctx context.Context, show func([]byte) []byte, args ...string) (done bool, err error) {
	a, err := p.call(ctx, args...)
	if err != nil {
		return true, err
	}
	said, status, ended := cutStatus(a.stderr)
	if a.status != 0 && (!ended || status == notExecutable || status == notFound) {
		return false, a.fail()
	}
	_, err = p.sys.stdout.Write(show(a.stdout))
	if _, serr := io.WriteString(p.sys.stderr, said); err == nil {
		err = serr
	}
	if err == nil && a.status != 0 {
		err = exitStatus(a.status)
	}
	return true, err
}

// What a runtime says of a program that it cannot start (POSIX, exit status of
// command).
const (
	notExecutable = 126
	notFound      = 127
)

// cutStatus takes the line off by which kubectl says that a program ended with a
// status other than 0, and returns the status.
func cutStatus(stderr string) (said string, status int, ok bool) {
	const line = "command terminated with exit code "
	i := strings.LastIndex(stderr, line)
	if i < 0 {
		return stderr, 0, false
	}
	status, err := strconv.Atoi(strings.TrimSpace(stderr[i+len(line):]))
	return stderr[:i], status, err == nil
}

// byHand is the error where nothing could look into a pod: it says why, and what to
// run on the node.
func (p *podLook) byHand(of *pod, verb string, words []string, why error) error {
	command := "shunt " + strings.Join(append([]string{verb}, words...), " ")
	if verb == "explain" {
		command += " --live"
	}
	return &config.InputError{Err: fmt.Errorf(`%w: on node %s, run: sudo %s --pid "$(crictl inspectp -o go-template --template '{{.info.pid}}' "$(crictl pods --namespace %s --name '^%s$' --state ready -q)")"`,
		why, of.Spec.NodeName, command, of.Metadata.Namespace, of.Metadata.Name)}
}

// inPod is the command that looks from inside a pod, with the settings that the pod
// should have: those that its init container was told, or of its annotations.
func inPod(of *pod, verb string, words []string) ([]string, error) {
	command := append([]string{shuntProgram, verb}, words...)
	if verb == "explain" {
		return append(command, "--live"), nil
	}
	set := &manifest.Set{}
	if err := errors.Join(set.Read("kubectl's answer", strings.NewReader(string(of.text))), set.Err()); err != nil {
		return nil, err
	}
	workload, err := set.Find("")
	if err != nil {
		return nil, err
	}
	given, err := config.BindFlags(pflag.NewFlagSet("", pflag.ContinueOnError), config.ShuntNames).
		Read(func(string) (string, bool) { return "", false }, nil)
	if err != nil {
		return nil, err
	}
	cfg, _, err := set.Resolve(given, workload, config.ModeInit)
	if err != nil {
		return nil, &config.InputError{Err: fmt.Errorf("pod %s: %w", of, err)}
	}
	standard := config.Standard()
	for _, s := range config.Settings() {
		if decides(&s) && s.AddsTo == nil && s.Get(&cfg) != s.Get(&standard) {
			command = append(command, "--"+s.Name+"="+s.Get(&cfg))
		}
	}
	return command, nil
}
