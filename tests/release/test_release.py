"""What tools/release packs, from stand-ins for the binaries: each file, what is in it, and that the same input gives the same bytes."""

import hashlib
import io
import json
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import unittest
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FUNCTIONS = ["deliver", "enqueue", "subscriptions", "sweep"]
TARGET = "x86_64-unknown-linux-gnu"


def pack(folder, out, *flags):
    """Packs stand-ins for the binaries, which are made in another order each time."""
    built = folder / f"lambda-{out}"
    for name in sorted(FUNCTIONS, reverse=len(out) % 2 == 0):
        (built / f"rung-{name}").mkdir(parents=True)
        (built / f"rung-{name}" / "bootstrap").write_bytes(b"\x7fELF of " + name.encode())
    command = folder / f"rung-{out}"
    command.write_bytes(b"\x7fELF of the command")
    return subprocess.run(
        [ROOT / "tools/release", "--rung", f"{TARGET}={command}", "--functions", built, "--out", folder / out, *flags],
        capture_output=True, text=True, check=False,
    )


class Release(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.path = pathlib.Path(cls.folder.name)
        for out in ["one", "other"]:
            done = pack(cls.path, out)
            assert done.returncode == 0, done.stderr
        cls.files = {path.name: path.read_bytes() for path in (cls.path / "one").iterdir()}

    def test_the_same_input_gives_the_same_bytes(self):
        other = {path.name: path.read_bytes() for path in (self.path / "other").iterdir()}
        self.assertEqual(self.files.keys(), other.keys())
        for name, content in self.files.items():
            self.assertEqual(content, other[name], name)

    def test_every_file_has_its_sum(self):
        sums = dict(line.split("  ")[::-1] for line in self.files["SHA256SUMS"].decode().splitlines())
        self.assertEqual(sums.keys(), self.files.keys() - {"SHA256SUMS"})
        for name, digest in sums.items():
            self.assertEqual(hashlib.sha256(self.files[name]).hexdigest(), digest, name)

    def test_a_function_is_what_lambda_runs(self):
        for name in FUNCTIONS:
            with zipfile.ZipFile(io.BytesIO(self.files[f"{name}.zip"])) as archive:
                (entry,) = archive.infolist()
                self.assertEqual(entry.filename, "bootstrap")
                self.assertEqual(entry.external_attr >> 16, 0o100755)
                self.assertEqual(archive.read(entry), b"\x7fELF of " + name.encode())

    def test_the_command_comes_with_its_terms(self):
        with tarfile.open(fileobj=io.BytesIO(self.files[f"rung-{TARGET}.tar.gz"])) as archive:
            modes = {entry.name: entry.mode for entry in archive.getmembers()}
        terms = ["LICENSE-APACHE", "LICENSE-MIT", "THIRD-PARTY-LICENSES.txt"]
        self.assertEqual(modes, {"rung": 0o755, **{name: 0o644 for name in terms}})

    def test_the_template_leads_to_the_zips_beside_it(self):
        text = self.files["rung.yaml"].decode()
        leads = [line.split(": ")[1] for line in text.splitlines() if line.strip().startswith(("CodeUri:", "ContentUri:"))]
        self.assertEqual(sorted(leads), ["deliver.zip", "dialects.zip", "enqueue.zip", "subscriptions.zip", "sweep.zip"])
        named = [line.split(": ")[1] for line in text.splitlines() if line.strip().startswith(("LicenseUrl:", "ReadmeUrl:"))]
        self.assertEqual(named, ["LICENSE-APACHE", "README.md"])
        self.assertLessEqual({*leads, *named}, self.files.keys())
        self.assertNotIn("BuildMethod", text)
        # All else is as it is in the tree.
        written = (ROOT / "template.yaml").read_text().splitlines()
        for line in text.splitlines():
            self.assertTrue(line in written or "Uri: " in line or line == "    AllowedValues: [arm64]", line)

    def test_the_bill_names_what_is_built_in_and_nothing_else(self):
        bill = json.loads(self.files["rung.cdx.json"])
        self.assertEqual((bill["bomFormat"], bill["specVersion"]), ("CycloneDX", "1.6"))
        names = {component["name"] for component in bill["components"]}
        self.assertLessEqual({"rung", "rung-deliver", "rung-core", "rustls", "tokio", "clap"}, names)
        # What only tests or builds use, and what only other systems use.
        self.assertTrue(names.isdisjoint({"rung-tests", "proptest", "rcgen", "cc", "windows-sys"}), names)
        references = {component["bom-ref"] for component in bill["components"]}
        for dependency in bill["dependencies"]:
            self.assertIn(dependency["ref"], references)
            self.assertLessEqual(set(dependency["dependsOn"]), references)
        for component in bill["components"]:
            self.assertTrue(component["name"].startswith("rung") or component["hashes"][0]["content"], component)
            self.assertIn("licenses", component)
        terms = self.files["THIRD-PARTY-LICENSES.txt"].decode()
        for component in bill["components"]:
            if not component["name"].startswith("rung"):
                self.assertIn(f"\n{component['name']} {component['version']}: ", terms)
        self.assertIn("Permission is hereby granted", terms)

    def test_the_version_is_everywhere_the_same(self):
        version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
        self.assertEqual(json.loads(self.files["rung.cdx.json"])["metadata"]["component"]["version"], version)
        self.assertIn(f"    SemanticVersion: {version}\n", self.files["rung.yaml"].decode())
        for name in ["typescript/package.json", "cdk/package.json", "python/pyproject.toml"]:
            self.assertIn(f'version{chr(34) + ":" if name.endswith("json") else " ="} "{version}"', (ROOT / "clients" / name).read_text(), name)

    def test_what_is_missing_or_in_the_way_is_told(self):
        done = pack(self.path, "lambda-one")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("lambda-one is not empty", done.stderr)
        (self.path / "lambda-empty").mkdir()
        done = subprocess.run(
            [ROOT / "tools/release", "--rung", f"{TARGET}=/dev/null", "--functions", self.path / "lambda-empty", "--out", self.path / "none"],
            capture_output=True, text=True, check=False,
        )
        self.assertEqual(done.returncode, 1)
        self.assertIn("rung-subscriptions/bootstrap: No such file", done.stderr)
        self.assertEqual(list((self.path / "none").iterdir()), [])

    def test_for_another_architecture_the_template_says_so(self):
        done = pack(self.path, "x86", "--architecture", "x86_64")
        self.assertEqual(done.returncode, 0, done.stderr)
        parameter = "  Architecture:\n    Type: String\n    Default: x86_64\n    AllowedValues: [x86_64]\n"
        self.assertIn(parameter, (self.path / "x86/rung.yaml").read_text())

    def test_the_crates_can_be_packed(self):
        outside = ["--exclude", "rung-tests", "--exclude", "rung-node", "--exclude", "rung-properties"]
        packing = ["cargo", "package", "--workspace", *outside, "--locked", "--offline", "--no-verify", "--allow-dirty"]
        done = subprocess.run(
            [*packing, "--target-dir", self.path / "target"], cwd=ROOT, capture_output=True, text=True, check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        # What their sources include lies in them.
        for name, included in {"rung-dialect": "dialects/standard.toml", "rung-subscriptions": "openapi.json"}.items():
            (path,) = (self.path / "target/package").glob(f"{name}-[0-9]*.crate")
            with tarfile.open(path) as archive:
                self.assertIn(f"{path.stem}/{included}", archive.getnames())


class Located(unittest.TestCase):
    def test_a_published_package_names_its_source_and_has_no_link_that_is_dead(self):
        """tools/locate, in a copy of the tree's packages."""
        with tempfile.TemporaryDirectory() as folder:
            tree = pathlib.Path(folder)
            (tree / "tools").mkdir()
            shutil.copy(ROOT / "tools/locate", tree / "tools")
            places = ["clients/typescript", "clients/python", "clients/cdk"]
            for place in places:
                (tree / place).mkdir(parents=True)
                for name in ["README.md", "package.json", "pyproject.toml"]:
                    if (ROOT / place / name).exists():
                        shutil.copy(ROOT / place / name, tree / place)
            (tree / "examples/receiver-flask").mkdir(parents=True)
            url = "https://example.com/owner/rung"
            subprocess.run([tree / "tools/locate", url, "v1.2.3", *places], cwd=tree, check=True)
            for place in places:
                readme = (tree / place / "README.md").read_text()
                self.assertNotRegex(readme, r"\]\((?!https://|#)")
                self.assertIn(f"({url}/blob/v1.2.3/", readme)
            self.assertIn(f"]({url}/tree/v1.2.3/examples/receiver-flask)", readme := (tree / "clients/python/README.md").read_text())
            self.assertIn(f"]({url}/blob/v1.2.3/docs/secrets.md#rotating)", readme)
            described = json.loads((tree / "clients/cdk/package.json").read_text())
            self.assertEqual(described["repository"], {"type": "git", "url": f"git+{url}.git", "directory": "clients/cdk"})
            project = tomllib.loads((tree / "clients/python/pyproject.toml").read_text())
            self.assertEqual(project["project"]["urls"], {"Homepage": f"{url}/tree/v1.2.3/clients/python", "Source": url})
            self.assertEqual(project["build-system"]["build-backend"], "hatchling.build")

    def test_the_workflow_locates_each_package_that_it_publishes(self):
        workflow = (ROOT / ".github/workflows/release.yml").read_text()
        located = '- run: tools/locate "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY" "$GITHUB_REF_NAME" clients/'
        for job, package in [("npm", "${{ matrix.package }}"), ("python", "python")]:
            steps = workflow.split(f"\n  {job}:\n")[1].split("\n\n  ")[0].split("publish")[0]
            self.assertIn(located + package, steps)



if __name__ == "__main__":
    unittest.main(verbosity=2 if "-v" in sys.argv else 1)
