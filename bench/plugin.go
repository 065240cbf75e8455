package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// podCount is how many pods start at once.
const podCount = 100

// networkConf is one entry of a conflist, as a runtime completes it for a pod
// with the annotations that take the place of %s.
const networkConf = `{
  "cniVersion": "1.1.0", "name": "bench", "type": "shunt",
  "capabilities": {"io.kubernetes.cri.pod-annotations": true},
  "linkerd": {
    "incoming-proxy-port": 4143, "outgoing-proxy-port": 4140, "proxy-uid": 2102, "ports-to-redirect": [],
    "inbound-ports-to-ignore": ["4190", "4191", "4567", "4568"], "outbound-ports-to-ignore": ["4567", "4568"],
    "simulate": false, "use-wait-flag": false, "iptables-mode": "nft", "ipv6": true
  },
  "runtimeConfig": {"io.kubernetes.cri.pod-annotations": %s},
  "prevResult": {"cniVersion": "1.1.0", "interfaces": [{"name": "eth0"}], "ips": [{"interface": 0, "address": "10.0.0.2/24"}]}
}
`

// plugin measures the binary as a CNI plugin.
func (b *bench) plugin() error {
	t := table{
		title: "CNI plugin",
		text:  "The plugin runs outside the pod's namespace, as runtimes call it.",
		head:  costHead(),
	}
	meshed, err := b.networkConf("meshed", `{"linkerd.io/proxy-version": "edge"}`)
	if err != nil {
		return err
	}
	unmeshed, err := b.networkConf("unmeshed", `{"app": "web"}`)
	if err != nil {
		return err
	}
	call := func(verb, conf string) []command {
		return []command{{args: []string{b.shunt}, stdin: conf, plugin: true, env: []string{
			"CNI_COMMAND=" + verb, "CNI_CONTAINERID=0123456789ab", "CNI_IFNAME=eth0", "CNI_PATH=" + filepath.Dir(b.shunt),
			"CNI_ARGS=K8S_POD_NAMESPACE=emojivoto;K8S_POD_NAME=web-1",
		}}}
	}
	_, said, err := call("VERSION", unmeshed)[0].run(&namespace{os.Stdin})
	if err != nil {
		return err
	}
	if !strings.Contains(said, "supportedVersions") {
		return errors.New("the binary does not answer as a plugin")
	}
	empty := contender{"an empty Go program", nil, []command{{args: []string{b.program("empty")}}}}
	initRun := contender{"shunt init", nil, []command{{args: []string{b.shunt, "init", "--ipv6"}}}}
	add := func(conf string) contender { return contender{"shunt", nil, call("ADD", conf)} }
	for _, c := range []contest{
		{"–", "VERSION", []contender{{"shunt", nil, call("VERSION", unmeshed)}, empty}, nil},
		{"–", "STATUS", []contender{{"shunt", nil, call("STATUS", unmeshed)}, empty}, nil},
		{"none", "ADD of a pod that is not meshed", []contender{add(unmeshed), empty}, limitOn(empty.name, 1.8)},
		{"standard", "ADD of a meshed pod", []contender{add(meshed), initRun}, limitOn(initRun.name, 1.3)},
		{"standard", "ADD again", []contender{{"shunt", call("ADD", meshed), call("ADD", meshed)}}, nil},
		{"standard", "CHECK", []contender{{"shunt", call("ADD", meshed), call("CHECK", meshed)}}, nil},
		{"standard", "DEL", []contender{{"shunt", call("ADD", meshed), call("DEL", meshed)}}, nil},
	} {
		if err := b.hold(&t, c); err != nil {
			return err
		}
	}
	b.tables = append(b.tables, t)
	return b.crowd(call("ADD", meshed)[0], call("ADD", unmeshed)[0], empty.run[0])
}

func (b *bench) networkConf(name, annotations string) (path string, err error) {
	path = filepath.Join(b.dir, name+".json")
	return path, os.WriteFile(path, fmt.Appendf(nil, networkConf, annotations), 0o600)
}

// crowd starts a process for each of many pods at once.
func (b *bench) crowd(meshed, unmeshed, empty command) error {
	t := table{
		title: fmt.Sprintf("%d pods at once", podCount),
		text:  "Wall time of each pod's process, from the moment that all are started; the median of the rounds.",
		head:  []string{"doing", "median", "slowest", "CPU in all"},
	}
	for _, c := range []struct {
		name string
		command
	}{{"ADD of meshed pods", meshed}, {"ADD of pods that are not meshed", unmeshed}, {"an empty Go program", empty}} {
		var medians, slowest, cpus []time.Duration
		for range max(b.rounds/3, 2) {
			costs, err := together(c.command)
			if err != nil {
				return err
			}
			var sum time.Duration
			for _, one := range costs {
				sum += one.cpu
			}
			medians, cpus = append(medians, wall(costs)), append(cpus, sum)
			slowest = append(slowest, slices.MaxFunc(costs, func(x, y cost) int { return int(x.wall - y.wall) }).wall)
		}
		t.rows = append(t.rows, []string{c.name, milliseconds(median(medians)), milliseconds(median(slowest)), milliseconds(median(cpus))})
		b.progress("%s", c.name)
	}
	b.tables = append(b.tables, t)
	return nil
}

// together runs one process for each of podCount namespaces, all at once.
func together(c command) ([]cost, error) {
	var spaces [podCount]*namespace
	for i := range spaces {
		ns, err := newNamespace()
		if err != nil {
			return nil, err
		}
		defer ns.close()
		spaces[i] = ns
	}
	var running sync.WaitGroup
	costs, errs := make([]cost, podCount), make([]error, podCount)
	start := time.Now()
	for i, ns := range spaces {
		running.Go(func() {
			cmd := &exec.Cmd{}
			if errs[i] = c.start(ns, cmd); errs[i] != nil {
				return
			}
			errs[i] = cmd.Wait()
			u := cmd.ProcessState.SysUsage().(*syscall.Rusage)
			costs[i] = cost{time.Duration(u.Utime.Nano() + u.Stime.Nano()), time.Since(start)}
		})
	}
	running.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, c.fault(err, "")
		}
	}
	return costs, nil
}
