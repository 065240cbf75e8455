package facts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"shunt/pods"
)

// Bounds of a server: clients that it serves at once, those that wait for it, and
// how long a client may take to send its request and to take its answer.
const (
	slots   = 512
	backlog = 1024
	patient = 2 * time.Second
)

// The results of a request, beside those of Unknown.
const (
	Known   = "known"
	Refused = "refused" // the client is not root's
	Lost    = "lost"    // the client said nothing, or did not take its answer
)

// Server answers clients at a socket.
type Server struct {
	path     string
	dev, ino uint64 // of path, as long as it leads here
	listener *os.File
	raw      syscall.RawConn
	free     chan struct{}
	clients  sync.WaitGroup
}

// Handler returns the facts about a pod, or an Unknown. It has to return in less
// than MaxWait, and soon after its context ends: the client is then left to ask
// the next server.
type Handler func(context.Context, pods.ID) (pods.Facts, error)

// Listen makes the socket in a folder that is there, which only root should be
// able to open, and puts it in the place of another that is at path.
func Listen(path string) (*Server, error) {
	s, err := listen(path)
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", path, err)
	}
	return s, nil
}

func listen(path string) (*Server, error) {
	sweep(path)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	s := &Server{path: path, listener: os.NewFile(uintptr(fd), path), free: make(chan struct{}, slots)}
	if err := s.bind(fd); err != nil {
		_ = s.listener.Close()
		return nil, err
	}
	return s, nil
}

// bind gives the socket its name only when it listens: whoever finds it can
// connect.
func (s *Server) bind(fd int) (err error) {
	if s.raw, err = s.listener.SyscallConn(); err != nil {
		return err
	}
	temporary := fmt.Sprintf("%s.%08x", s.path, uint32(time.Now().UnixNano())) // math/rand would be one package more in the plugin
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: temporary}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary)
		}
	}()
	if err := os.Chmod(temporary, 0o600); err != nil {
		return err
	}
	if err := unix.Listen(fd, backlog); err != nil {
		return err
	}
	if s.dev, s.ino, err = identity(temporary); err != nil {
		return err
	}
	return os.Rename(temporary, s.path)
}

// sweep removes what servers left that were killed before they had renamed it.
func sweep(path string) {
	left, _ := filepath.Glob(path + ".????????") // a bad pattern: there are none
	for _, p := range left {
		if info, err := os.Lstat(p); err == nil && info.Mode().Type() == os.ModeSocket && time.Since(info.ModTime()) > time.Minute {
			_ = os.Remove(p) // the next one tries again
		}
	}
}

func identity(path string) (dev, ino uint64, err error) {
	var st unix.Stat_t
	err = unix.Lstat(path, &st)
	return uint64(st.Dev), st.Ino, err
}

// Gone reports whether nobody can ask at the socket's path any more: there is
// nothing, or the socket of a server that was killed. That of another server is
// right: the one that came last answers.
func (s *Server) Gone() bool {
	dev, ino, err := identity(s.path)
	if err != nil || dev == s.dev && ino == s.ino {
		return errors.Is(err, unix.ENOENT)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	// Of a socket of another type that somebody listens at, the kernel says
	// EPROTOTYPE and makes no connection.
	return errors.Is(unix.Connect(fd, &unix.SockaddrUnix{Name: s.path}), unix.ECONNREFUSED)
}

// Serve answers clients until the context ends, and then lets go of those that
// wait. For each client it notes how that went and how long it took; err says
// more about what should not be. Afterwards the socket is gone from its path,
// unless that leads to another server.
func (s *Server) Serve(ctx context.Context, handle Handler, note func(result string, took time.Duration, err error)) {
	stop := context.AfterFunc(ctx, func() { _ = s.listener.Close() })
	defer stop()
	defer s.clients.Wait()
	defer s.remove()
	for {
		conn, err := s.accept()
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil { // no descriptors, no memory: it passes
			select {
			case <-ctx.Done():
			case <-time.After(again):
			}
			continue
		}
		if err := s.trusts(conn); err != nil {
			_ = conn.Close()
			note(Refused, 0, err)
			continue
		}
		s.free <- struct{}{} // each ends in bounded time
		s.clients.Go(func() {
			start := time.Now()
			result, err := serve(ctx, conn, handle)
			_ = conn.Close()
			<-s.free
			note(result, time.Since(start), err)
		})
	}
}

func (s *Server) accept() (*os.File, error) {
	fd, err := -1, error(nil)
	closed := s.raw.Read(func(listener uintptr) bool {
		fd, _, err = unix.Accept4(int(listener), unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		return !errors.Is(err, unix.EAGAIN)
	})
	switch {
	case closed != nil:
		return nil, os.ErrClosed
	case err != nil:
		return nil, err
	}
	return os.NewFile(uintptr(fd), "client"), nil
}

// trusts makes sure that a client is root's.
func (s *Server) trusts(conn *os.File) (err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	if failed := raw.Control(func(fd uintptr) { err = rootsOnly(int(fd)) }); failed != nil {
		return failed
	}
	return err
}

// serve answers one client.
func serve(ctx context.Context, conn *os.File, handle Handler) (result string, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return Lost, err
	}
	id, err := readRequest(conn, raw)
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errNoAnswer) || errors.Is(err, unix.ECONNRESET) {
		return Lost, nil
	}
	if err != nil {
		_, _ = send(conn, raw, pods.Facts{}, Malformed) // what is wrong with it counts
		return string(Malformed), err
	}
	f, err := handle(ctx, id)
	if ctx.Err() != nil {
		return Lost, nil // without an answer: the client asks the next server
	}
	why, unknown := errors.AsType[Unknown](err)
	if err != nil && !unknown {
		return Lost, err
	}
	return send(conn, raw, f, why)
}

func readRequest(conn *os.File, raw syscall.RawConn) (id pods.ID, err error) {
	if err := conn.SetReadDeadline(time.Now().Add(patient)); err != nil {
		return id, err
	}
	var message []byte
	late := raw.Read(func(fd uintptr) bool {
		message, err = receive(int(fd), maxRequest)
		return !errors.Is(err, unix.EAGAIN)
	})
	if err := cmp.Or(late, err); err != nil {
		return id, err
	}
	return decodeRequest(message)
}

// send sends an answer. One that the kernel has no room for (wmem_max) is too
// big.
func send(conn *os.File, raw syscall.RawConn, f pods.Facts, why Unknown) (result string, err error) {
	data, why, err := encodeAnswer(f, why)
	if err != nil {
		return Lost, err
	}
	if err := conn.SetWriteDeadline(time.Now().Add(patient)); err != nil {
		return Lost, err
	}
	late := raw.Write(func(fd uintptr) bool {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 2*MaxAnswer) // what did not help, EMSGSIZE tells
		_, err = unix.SendmsgN(int(fd), data, nil, nil, unix.MSG_NOSIGNAL)
		return !errors.Is(err, unix.EAGAIN)
	})
	switch {
	case errors.Is(err, unix.EMSGSIZE) && why != TooBig:
		return send(conn, raw, pods.Facts{}, TooBig)
	case late != nil || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET):
		return Lost, nil
	case err != nil:
		return Lost, err
	case why != "":
		return string(why), nil
	}
	return Known, nil
}

// remove takes the socket from its path, if it is still this one.
func (s *Server) remove() {
	if dev, ino, err := identity(s.path); err == nil && dev == s.dev && ino == s.ino {
		_ = os.Remove(s.path) // nobody answers there any more: the next one replaces it
	}
}
