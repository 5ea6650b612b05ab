//! A proxy that nobody may ask.

use std::net::TcpListener;

/// A proxy that every variable names which programs know, and that counts who connects. Dropping it fails if anybody has.
///
/// Nobody accepts: the kernel keeps what has connected until it is asked for at the end.
pub(crate) struct Proxy {
    listener: TcpListener,
}

impl Proxy {
    /// A proxy on a free port of this machine.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        // At the end there is nobody to wait for.
        listener.set_nonblocking(true).expect("it does not block");
        Self { listener }
    }

    /// The variables that make a program ask this proxy for everything, this machine's own addresses too.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let address = self.listener.local_addr().expect("its address");
        let (http, socks) = (format!("http://{address}"), format!("socks5h://{address}"));
        let of_http = [
            "HTTP_PROXY",
            "http_proxy",
            "HTTPS_PROXY",
            "https_proxy",
            // What a CGI script is given in place of `HTTP_PROXY`, which a request's header `Proxy` may have set.
            "CGI_HTTP_PROXY",
            "cgi_http_proxy",
        ];
        let of_any = ["ALL_PROXY", "all_proxy", "SOCKS_PROXY", "socks_proxy"];
        // Many programs leave this machine out by themselves where nothing says whom to leave out.
        let nobody = ["NO_PROXY", "no_proxy"].map(|name| (name, "nobody.example".to_owned()));
        let of_http = of_http.map(|name| (name, http.clone()));
        let of_any = of_any.map(|name| (name, socks.clone()));
        of_http.into_iter().chain(of_any).chain(nobody).collect()
    }

    /// How many have connected since this was asked last.
    fn connections(&self) -> usize {
        std::iter::from_fn(|| self.listener.accept().ok()).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.connections(), 0, "a proxy was asked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A program that does look at the environment, as nothing of Rung may.
    #[test]
    #[should_panic(expected = "a proxy was asked")]
    fn a_program_that_asks_the_proxy_is_told() {
        let proxy = Proxy::start();
        let ask = "import urllib.request as u; u.urlopen('http://127.0.0.1:9/', timeout=0.2)";
        let mut program = Command::new("python3");
        program.args(["-c", ask]).env_clear();
        program.env("PATH", std::env::var_os("PATH").unwrap());
        // Nobody answers, so it fails.
        let ended = program.envs(proxy.environment()).output().unwrap();
        assert!(!ended.status.success());
    }
}
