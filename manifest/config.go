package manifest

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"shunt/config"
	"shunt/pods"
)

// Facts returns what decides about a workload's pods: all but a uid.
func (s *Set) Facts(w *Object) pods.Facts {
	f := pods.Facts{Annotations: w.Pod.Annotations.Values(), Labels: w.Pod.Labels.Values()}
	if ns := s.NamespaceOf(w); ns != nil {
		f.Namespace = ns.Annotations.Values()
	}
	for _, c := range w.Pod.Containers {
		if c.Init {
			f.InitContainers = append(f.InitContainers, c.Name)
		} else {
			f.Containers = append(f.Containers, c.Name)
		}
	}
	return f
}

// Mode says how a workload's pods are set up. Those that have a proxy already
// say so themselves: by Linkerd's init container or, where there is none, by the
// plugin. The injector gives the others what mode says.
func (s *Set) Mode(w *Object, mode config.Mode) config.Mode {
	switch {
	case w.Pod.Proxy() == nil:
		return mode
	case w.Pod.initContainer() != nil:
		return config.ModeInit
	}
	return config.ModeCNI
}

// Config returns the configuration that a workload's pods get. Where they have
// Linkerd's init container and a proxy, the container's arguments are all that
// counts. Elsewhere it is base with what the pods' annotations and their
// namespace's say, and in ModeCNI what the control plane's pods need. It is not
// validated. The error is an InputError.
func (s *Set) Config(base config.Config, w *Object, mode config.Mode) (config.Config, error) {
	f := s.Facts(w)
	var remark string
	if init := w.Pod.initContainer(); init != nil && w.Pod.Proxy() != nil {
		names, args, known := arguments(init)
		if known {
			return fromArguments(base, names, args, f)
		}
		remark = fmt.Sprintf("container %s runs %s, of which nothing is known: these are the rules that annotations ask for", init.Name, config.Quote(strings.Join(init.Command, " ")))
	}
	c, err := config.MergeAnnotations(base, f.Annotations, f.Namespace, mode)
	if err == nil && mode == config.ModeCNI && f.ControlPlane(w.InNamespace(), nil) {
		c, err = config.SkipAPIServer(c, config.APIServerPorts("label "+pods.ControlPlaneComponent))
	}
	if remark != "" {
		c.Warnings = append(slices.Clip(c.Warnings), remark)
	}
	return c, err
}

// fromArguments returns what the init container of an injected pod asks for.
func fromArguments(base config.Config, names config.Names, args []string, f pods.Facts) (config.Config, error) {
	c, annotations, err := config.ParseArguments(names, args, pods.InitContainer)
	if err == nil && annotations {
		c, err = config.MergeAnnotations(c, f.Annotations, nil, config.ModeInit)
	}
	if len(base.Sources) > 0 {
		c.Warnings = append(slices.Clip(c.Warnings), "the settings that were given do not count here: the pod has its init container already, and that container's arguments do")
	}
	return c, err
}

// initContainer returns Linkerd's init container, nil if the pod has none.
func (p *Pod) initContainer() *Container {
	return p.container(func(c *Container) bool { return c.Init && c.Name == pods.InitContainer })
}

// arguments returns what the program gets that an init container runs, and
// under whose names; known is false for a program that is neither Linkerd's nor
// shunt's. Without a command it is the image's: Linkerd's.
func arguments(c *Container) (names config.Names, args []string, known bool) {
	line := slices.Concat(c.Command, c.Args)
	if len(c.Command) == 0 {
		return config.LinkerdNames, line, true
	}
	switch program := path.Base(line[0]); {
	case program == "proxy-init" || program == "linkerd2-proxy-init":
		return config.LinkerdNames, line[1:], true
	case program == "shunt" && len(line) > 1 && line[1] == "init":
		return config.ShuntNames, line[2:], true
	}
	return 0, nil, false
}

// Resolve returns what a workload's pods get with the settings that are given,
// validated, and warnings. A pod that has no proxy yet gets the defaults of what
// mode says. The error is an InputError.
func (s *Set) Resolve(given *config.Layers, w *Object, mode config.Mode) (c config.Config, warnings []string, err error) {
	mode = s.Mode(w, mode)
	defaults := config.Standard()
	if mode == config.ModeCNI {
		defaults = config.CNI()
	}
	base, err := given.Over(defaults)
	if err == nil {
		c, err = s.Config(base, w, mode)
	}
	if err == nil {
		warnings, err = c.Validate()
	}
	return c, warnings, err
}
