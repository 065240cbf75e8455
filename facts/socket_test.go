package facts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"shunt/netns/netnstest"
	"shunt/pods"
)

// agent is a server at work, and what it noted.
type agent struct {
	*Server
	path string
	stop func() // and wait until it has ended

	mu    sync.Mutex
	notes map[string]int
	errs  []string
}

func socket(t testing.TB) string { return filepath.Join(t.TempDir(), "agent.sock") }

// serveAt starts a server at path.
func serveAt(t testing.TB, path string, handle Handler) *agent {
	t.Helper()
	s, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{Server: s, path: path, notes: map[string]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(ctx, handle, func(result string, _ time.Duration, err error) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.notes[result]++
			if err != nil {
				a.errs = append(a.errs, err.Error())
			}
		})
	}()
	a.stop = func() { cancel(); <-done }
	t.Cleanup(a.stop)
	return a
}

// noted waits until the server has noted a result so often.
func (a *agent) noted(t testing.TB, result string, times int) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		a.mu.Lock()
		n, errs := a.notes[result], a.errs
		a.mu.Unlock()
		if n >= times {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%q was noted %d times, want %d; errors %q", result, n, times, errs)
		}
	}
}

// web answers about shop's pods, whose uid is their name's.
func web(_ context.Context, id pods.ID) (pods.Facts, error) {
	switch {
	case id.Namespace != "shop":
		return pods.Facts{}, NotFound
	case id.UID != "" && id.UID != "uid-"+id.Name:
		return pods.Facts{}, OtherUID
	}
	return pods.Facts{UID: "uid-" + id.Name, Annotations: map[string]string{"linkerd.io/proxy-version": "edge"}, Labels: map[string]string{}}, nil
}

func pod(name string) pods.ID { return pods.ID{Namespace: "shop", Name: name, UID: "uid-" + name} }

// dial connects and does no more.
func dial(t testing.TB, path string) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	return fd
}

func answers(t testing.TB, path string) {
	t.Helper()
	if f, err := Ask(path, pod("web-0"), MaxWait); err != nil || f.UID != "uid-web-0" || f.Labels == nil {
		t.Errorf("the answer: %+v, %v", f, err)
	}
}

func TestTheAgentAnswersAboutAPod(t *testing.T) {
	t.Parallel()
	a := serveAt(t, socket(t), web)
	answers(t, a.path)
	for id, want := range map[pods.ID]Unknown{
		{Namespace: "else", Name: "web-0"}:             NotFound,
		{Namespace: "shop", Name: "web-0", UID: "old"}: OtherUID,
	} {
		if f, err := Ask(a.path, id, MaxWait); err != error(want) {
			t.Errorf("%v: %+v, %v", id, f, err)
		}
	}
	a.noted(t, Known, 1)
	a.noted(t, string(OtherUID), 1)
	if info, err := os.Stat(a.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info.Mode(), err)
	}
	a.stop()
	if _, err := os.Stat(a.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket of an agent that ended: %v", err)
	}
}

func TestAllAnnotationsThatAPodCanHaveFit(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("10000,", 256<<10/6)
	a := serveAt(t, socket(t), func(context.Context, pods.ID) (pods.Facts, error) {
		return pods.Facts{Annotations: map[string]string{"config.linkerd.io/skip-outbound-ports": text}}, nil
	})
	f, err := Ask(a.path, pods.ID{Namespace: "shop", Name: "web-0"}, MaxWait)
	if err != nil || f.Annotations["config.linkerd.io/skip-outbound-ports"] != text {
		t.Errorf("%d annotations, %v", len(f.Annotations), err)
	}
}

func TestFactsThatDoNotFitAreTooBigAndNeverShorter(t *testing.T) {
	t.Parallel()
	a := serveAt(t, socket(t), func(context.Context, pods.ID) (pods.Facts, error) {
		return pods.Facts{Annotations: map[string]string{"a": strings.Repeat("x", MaxAnswer)}}, nil
	})
	if f, err := Ask(a.path, pods.ID{Namespace: "shop", Name: "web-0"}, MaxWait); err != error(TooBig) {
		t.Errorf("%d annotations, %v", len(f.Annotations), err)
	}
}

// answer listens once, and answers whatever it is asked with these bytes.
func answerWith(t testing.TB, data []byte) (path string) {
	t.Helper()
	path = socket(t)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 1))
	}
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		conn, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		if err == nil {
			defer unix.Close(conn)
			_, readErr := receive(conn, maxRequest)
			err = errors.Join(readErr, unix.SetsockoptInt(conn, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 4<<20), unix.Sendmsg(conn, data, nil, nil, 0))
		}
		done <- err
	}()
	t.Cleanup(func() {
		_ = unix.Shutdown(fd, unix.SHUT_RDWR)
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = unix.Close(fd)
	})
	return path
}

func TestAnAnswerThatIsTruncatedWrongOrAboutAnotherPodIsAnError(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		`{"v":1,"known":true,"uid":"uid-web-0","annotations":{"a":"` + strings.Repeat("x", MaxAnswer) + `"}}`: "bytes: want at most 327680",
		"garbage": "decode shunt-agent's answer",
		`{"v":1,"known":true,"uid":"another","annotations":{}}`: `answers about uid "another": want uid-web-0`,
	} {
		if f, err := Ask(answerWith(t, []byte(data)), pod("web-0"), MaxWait); err == nil || errors.Is(err, ErrAway) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %+v, %v", data, f, err)
		}
	}
}

func TestTwoHundredAtOnceAreServed(t *testing.T) {
	t.Parallel()
	a := serveAt(t, socket(t), web)
	var wait sync.WaitGroup
	for i := range 200 {
		wait.Go(func() {
			id := pod(fmt.Sprint("web-", i))
			if f, err := Ask(a.path, id, MaxWait); err != nil || f.UID != id.UID {
				t.Errorf("%v: %+v, %v", id, f, err)
			}
		})
	}
	wait.Wait()
}

func TestClientsThatSayNothingHurtNobody(t *testing.T) {
	t.Parallel()
	a := serveAt(t, socket(t), web)
	for range slots + 50 { // more than it serves at once
		dial(t, a.path)
	}
	answers(t, a.path)
	a.noted(t, Lost, slots)
}

func TestGarbageAndAMebibyteHurtNobody(t *testing.T) {
	t.Parallel()
	a := serveAt(t, socket(t), web)
	for i, data := range [][]byte{[]byte("garbage"), make([]byte, 1<<20), []byte(`{"v":7}`), []byte(`{"v":1,"op":"pod"`)} {
		fd := dial(t, a.path)
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 4<<20); err != nil && len(data) > 100<<10 {
			netnstest.Skip(t, "a megabyte cannot be sent: %v", err)
		}
		if err := unix.Sendmsg(fd, data, nil, nil, unix.MSG_NOSIGNAL); err != nil {
			t.Fatal(err)
		}
		a.noted(t, string(Malformed), i+1)
		got, err := receive(fd, MaxAnswer)
		if errors.Is(err, unix.ECONNRESET) && len(data) > maxRequest {
			continue // it was not read
		}
		if _, why := decodeAnswer(got); err != nil || why != error(Malformed) {
			t.Errorf("the answer to %.20q: %s, %v", data, got, err)
		}
	}
	// One that goes before its answer.
	fd := dial(t, a.path)
	if err := unix.Sendmsg(fd, []byte(`{"v":1,"op":"pod","ns":"shop","name":"web-0"}`), nil, nil, 0); err != nil {
		t.Fatal(err)
	}
	_ = unix.Shutdown(fd, unix.SHUT_RDWR)
	answers(t, a.path)
}

// asNobody runs f on a thread that is another user's, and ends with it.
func asNobody(t *testing.T, f func() error) {
	t.Helper()
	const nobody = 65534
	netnstest.IDs(t, nobody)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is of no use afterwards
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); e != 0 {
			done <- e
			return
		}
		done <- f()
	}()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// open makes a folder, and what is in it, everybody's.
func open(t *testing.T, paths ...string) {
	t.Helper()
	for _, p := range paths {
		if err := os.Chmod(p, 0o777); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAClientThatIsNotRootGetsNoAnswer(t *testing.T) {
	t.Parallel()
	a := serveAt(t, socket(t), web)
	asNobody(t, func() error {
		if _, err := Ask(a.path, pod("web-0"), MaxWait); !errors.Is(err, unix.EACCES) {
			return fmt.Errorf("it could connect: %v", err)
		}
		return nil
	})
	open(t, filepath.Dir(filepath.Dir(a.path)), filepath.Dir(a.path), a.path)
	asNobody(t, func() error {
		if f, err := Ask(a.path, pod("web-0"), time.Second); err == nil {
			return fmt.Errorf("it got an answer: %+v", f)
		}
		return nil
	})
	a.noted(t, Refused, 1)
	answers(t, a.path)
}

func TestAnAgentThatIsNotRootIsNotBelieved(t *testing.T) {
	t.Parallel()
	path := socket(t)
	open(t, filepath.Dir(filepath.Dir(path)), filepath.Dir(path))
	var s *Server
	asNobody(t, func() (err error) { s, err = Listen(path); return err })
	if t.Failed() || s == nil {
		return
	}
	defer s.listener.Close()
	if f, err := Ask(path, pod("web-0"), MaxWait); err == nil || !strings.Contains(err.Error(), "user 65534's: want root's") {
		t.Errorf("believed: %+v, %v", f, err)
	}
}

func TestWithoutAnAgentTheClientDoesNotWait(t *testing.T) {
	t.Parallel()
	path := socket(t)
	_, err := Ask(path, pod("web-0"), MaxWait)
	if !errors.Is(err, ErrAway) || !errors.Is(err, unix.ENOENT) {
		t.Errorf("without a socket: %v", err)
	}
	s, err := Listen(path) // killed: its socket stays
	if err != nil {
		t.Fatal(err)
	}
	_ = s.listener.Close()
	if _, err = Ask(path, pod("web-0"), MaxWait); !errors.Is(err, ErrAway) || !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("with the socket of one that was killed: %v", err)
	}
	answersAfter := serveAt(t, path, web) // the next one takes its place
	answers(t, answersAfter.path)
}

func TestAnAgentThatNeverAnswersIsWaitedForNoLonger(t *testing.T) {
	t.Parallel()
	path := socket(t)
	s, err := Listen(path) // the kernel takes connections, nobody else does
	if err != nil {
		t.Fatal(err)
	}
	defer s.listener.Close()
	if _, err := Ask(path, pod("web-0"), 50*time.Millisecond); !errors.Is(err, ErrAway) || !strings.Contains(err.Error(), "timed out") {
		t.Errorf("silence: %v", err)
	}
	for full := false; !full; { // until connecting waits
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		full = errors.Is(unix.Connect(fd, &unix.SockaddrUnix{Name: path}), unix.EAGAIN)
	}
	if _, err := Ask(path, pod("web-0"), 50*time.Millisecond); !errors.Is(err, ErrAway) || !strings.Contains(err.Error(), "timed out") {
		t.Errorf("a full backlog: %v", err)
	}
}

func TestAnAgentThatIsRestartedBetweenQuestionAndAnswer(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	first := serveAt(t, socket(t), func(ctx context.Context, _ pods.ID) (pods.Facts, error) {
		close(asked)
		<-ctx.Done()
		return pods.Facts{}, Unsynced
	})
	got := make(chan error)
	go func() {
		_, err := Ask(first.path, pod("web-0"), MaxWait)
		got <- err
	}()
	<-asked
	first.stop()
	serveAt(t, first.path, web)
	if err := <-got; err != nil {
		t.Errorf("the client of the first agent: %v", err)
	}
}

func TestOfTwoAgentsTheLaterAnswersAndKeepsItsSocket(t *testing.T) {
	t.Parallel()
	first := serveAt(t, socket(t), func(context.Context, pods.ID) (pods.Facts, error) { return pods.Facts{}, Unsynced })
	second := serveAt(t, first.path, web)
	answers(t, first.path)
	first.stop()
	answers(t, first.path)
	if second.Gone() {
		t.Error("the first one took the second one's socket along")
	}
	third, err := Listen(first.path)
	if err != nil {
		t.Fatal(err)
	}
	if second.Gone() {
		t.Error("a third one that answers is taken for a dead one")
	}
	_ = third.listener.Close() // killed
	if !second.Gone() {
		t.Error("the socket of one that was killed is taken for one that answers")
	}
	if err := os.RemoveAll(filepath.Dir(first.path)); err != nil {
		t.Fatal(err)
	}
	if !second.Gone() {
		t.Error("that the folder was removed is not noticed")
	}
}

func TestWhatAKilledServerLeftIsSweptUp(t *testing.T) {
	t.Parallel()
	path := socket(t)
	old, young := path+".0123abcd", path+".4567abcd"
	for _, p := range []string{old, young} {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Bind(fd, &unix.SockaddrUnix{Name: p})
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = unix.Close(fd)
	}
	hour := time.Now().Add(-time.Hour)
	if err := os.Chtimes(old, hour, hour); err != nil {
		t.Fatal(err)
	}
	serveAt(t, path, web)
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if want := []string{path, young}; fmt.Sprint(left) != fmt.Sprint(want) {
		t.Errorf("left: %q, want %q", left, want)
	}
}

// BenchmarkAsk is what the plugin pays for a question, without its start-up.
func BenchmarkAsk(b *testing.B) {
	a := serveAt(b, socket(b), web)
	for b.Loop() {
		if _, err := Ask(a.path, pod("web-0"), MaxWait); err != nil {
			b.Fatal(err)
		}
	}
}
