package netnstest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
)

// These variables are between Main and its second self.
const (
	insideVar  = "SHUNT_TEST_INSIDE"  // set in the second self
	refusedVar = "SHUNT_TEST_REFUSED" // why there is no second self
)

// Main is Run for a TestMain that has nothing else to do: it exits.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run runs a package's tests where New works: here if the process may make
// network namespaces, otherwise in a copy of itself that is root of a user
// namespace of its own. Where that is refused too, the tests run here and New
// skips them. It returns the exit status.
func Run(m *testing.M) int {
	if os.Getenv(insideVar) != "" {
		if err := linkUp(loIndex); err != nil {
			fmt.Fprintln(os.Stderr, "set lo up:", err)
			return 1
		}
		return m.Run()
	}
	if n, err := create(); err == nil {
		_ = n.Close()
		return m.Run()
	}
	code, err := rerun()
	if err != nil {
		_ = os.Setenv(refusedVar, err.Error())
		code = m.Run()
	}
	return code
}

// rerun runs this process's command line again in new user and network
// namespaces, with this user as root, and returns its exit status.
func rerun() (int, error) {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), insideVar+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	runtime.LockOSThread() // Pdeathsig is about the thread that started the child
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start the tests in a user namespace: %w", err)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "wait for the tests in a user namespace:", err)
		return 1, nil
	}
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		return code, nil
	}
	fmt.Fprintln(os.Stderr, "the tests in a user namespace ended:", cmd.ProcessState)
	return 1, nil
}
