package runtime

import (
	"context"
	"errors"
	"net"
	"os"
	"path"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// maxMessage is the largest answer that is read, 16 MiB: what containerd and kubelet use.
const maxMessage = 16 << 20

// maxBackoff is the longest pause between attempts to connect. ClientConn.ResetConnectBackoff would end one early, but it races with the
// connection's own map of attempts (grpc-go 1.85) and can end the process; a socket that comes anew gets a new ClientConn instead.
const maxBackoff = 500 * time.Millisecond

// link is the one connection to the runtime. It is a grpc.ClientConnInterface whose calls go to the connection of the moment, so
// that clients made from it stay good when the endpoint changes.
type link struct {
	observe func(method string, d time.Duration, code string)
	failed  func(method string, err error) // of each unary call that failed; may be nil
	onUp    func()
	onDown  func()
	now     atomic.Pointer[connection] // nil: no endpoint

	mu      sync.Mutex // of changed, closed and the order of set
	changed chan struct{}
	closed  bool
}

// connection is a gRPC connection to one socket.
type connection struct {
	*grpc.ClientConn
	endpoint Endpoint
	id       socketID
	end      context.CancelFunc

	dialed atomic.Pointer[dialed] // the last attempt
	up     atomic.Bool
	lives  atomic.Uint64 // how often it came up
}

// dialed is how connecting went.
type dialed struct {
	err  error
	peer int // pid of who listens; 0: not known
}

// socketID tells a socket file from another one of the same name. The zero value is a missing one.
type socketID struct {
	dev, ino uint64
	made     time.Time
}

func identify(path string) socketID {
	st, err := os.Stat(path)
	if err != nil {
		return socketID{}
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return socketID{}
	}
	return socketID{dev: uint64(sys.Dev), ino: sys.Ino, made: st.ModTime()}
}

func newLink(observe func(string, time.Duration, string), onUp, onDown func()) *link {
	return &link{observe: observe, onUp: onUp, onDown: onDown, changed: make(chan struct{})}
}

var errNoEndpoint = status.Error(codes.Unavailable, "no CRI runtime was found on this node")

// Invoke is one call on the connection of the moment.
func (l *link) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	c := l.now.Load()
	if c == nil {
		return errNoEndpoint
	}
	return c.Invoke(ctx, method, args, reply, opts...)
}

// NewStream is one stream on the connection of the moment; it ends with that connection.
func (l *link) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	c := l.now.Load()
	if c == nil {
		return nil, errNoEndpoint
	}
	return c.NewStream(ctx, desc, method, opts...)
}

// set makes e the endpoint. It dials anew if the path is another one or the socket there was replaced, and otherwise keeps the
// connection. It never waits.
func (l *link) set(e Endpoint) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.now.Load()
	if l.closed || old == nil && e.Path == "" {
		return nil
	}
	id := identify(e.Path)
	// A connection whose socket is missing may yet be to a living daemon; one made before its socket came has found none.
	if old != nil && old.endpoint.Path == e.Path && (id == old.id || id == socketID{}) {
		return nil
	}
	var c *connection
	if e.Path != "" {
		var err error
		if c, err = dial(e, id, l.observe, l.failed); err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(context.Background())
		c.end = cancel
		go l.follow(ctx, c)
	}
	l.now.Store(c)
	if old != nil {
		old.close()
	}
	l.signal()
	return nil
}

// signal tells waiters that the connection changed or went up or down. It needs the lock.
func (l *link) signal() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// current is the connection of the moment (nil: none), and a channel that is closed when it or its state is another.
func (l *link) current() (*connection, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now.Load(), l.changed
}

func (l *link) up() bool {
	c := l.now.Load()
	return c != nil && c.up.Load()
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if c := l.now.Swap(nil); c != nil {
		c.close()
	}
	l.signal()
}

// follow keeps a connection wanted and tells when it comes and goes.
func (l *link) follow(ctx context.Context, c *connection) {
	up := func(is bool) {
		if c.up.Load() == is {
			return
		}
		if is {
			c.lives.Add(1)
		}
		c.up.Store(is)
		l.mu.Lock()
		l.signal()
		l.mu.Unlock()
		if is {
			l.onUp()
		} else {
			l.onDown()
		}
	}
	for {
		s := c.GetState()
		up(s == connectivity.Ready)
		if s == connectivity.Idle { // gRPC leaves it there after a loss until somebody calls
			c.Connect()
		}
		if s == connectivity.Shutdown || !c.WaitForStateChange(ctx, s) {
			up(false)
			return
		}
		if s == connectivity.Ready { // lost, and perhaps there again
			up(false)
		}
	}
}

// dial makes a connection that connects by itself. observe may be nil.
func dial(e Endpoint, id socketID, observe func(string, time.Duration, string), failed func(string, error)) (*connection, error) {
	c := &connection{endpoint: e, id: id, end: func() {}}
	conn, err := grpc.NewClient("passthrough:///"+e.Path,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority("localhost"), // a path is no valid one, and CRI-O checks it
		grpc.WithContextDialer(c.connect),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithIdleTimeout(0),
		grpc.WithUserAgent("nodeagent"),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxBackoff},
			MinConnectTimeout: 20 * time.Second, // gRPC's default: a hung runtime takes the connection and says nothing
		}),
		grpc.WithUnaryInterceptor(timed(observe, failed)),
	)
	if err != nil {
		return nil, err
	}
	c.ClientConn = conn
	return c, nil
}

func (c *connection) connect(ctx context.Context, path string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	d := &dialed{err: err}
	if err == nil {
		d.peer = peerPID(conn)
	}
	if !errors.Is(err, context.Canceled) {
		c.dialed.Store(d)
	}
	return conn, err
}

func (c *connection) close() {
	c.end()
	c.Close()
}

// peerPID is the process that listens at the other end of a unix connection.
func peerPID(conn net.Conn) int {
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return 0
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0
	}
	pid := 0
	err = raw.Control(func(fd uintptr) {
		if cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	})
	if err != nil {
		return 0
	}
	return pid
}

// timed tells observe each unary call: its name without the service, how long it took, and gRPC's name of its code. failed hears of those that
// failed.
func timed(observe func(string, time.Duration, string), failed func(string, error)) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		began := time.Now()
		err := invoke(ctx, method, req, reply, cc, opts...)
		if observe != nil {
			observe(path.Base(method), time.Since(began), status.Code(err).String())
		}
		if err != nil && failed != nil {
			failed(path.Base(method), err)
		}
		return err
	}
}
