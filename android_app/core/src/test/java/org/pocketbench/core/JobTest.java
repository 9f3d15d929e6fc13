package org.pocketbench.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.Before;
import org.junit.Test;
import org.pocketbench.core.Fakes.FakeClock;
import org.pocketbench.core.Fakes.FakeEngine;
import org.pocketbench.core.Fakes.FakePlatform;

/** A run as an instrumentation is asked for it. */
public class JobTest {
    private final List<String> said = new ArrayList<>();
    private final Map<String, String> arguments = new LinkedHashMap<>();
    private File root;
    private File runs;
    private File folder;
    private long owner = 2000;

    @Before
    public void aFolderOfTheShell() throws Exception {
        File top = Fakes.folder().getCanonicalFile();
        root = new File(top, "pocketbench");
        runs = new File(top, "media/runs");
        folder = new File(root, "jobs/test");
        assertTrue(folder.mkdirs());
        Files.write(new File(folder, "a.tflite").toPath(), "abc".getBytes(StandardCharsets.US_ASCII));
        arguments.put("run_id", "test");
        arguments.put("job", new File(folder, "job.json").getPath());
    }

    private Map<String, String> run(Object... changes) throws Exception {
        String json = JsonText.of(Fakes.request(changes));
        Files.write(new File(folder, "job.json").toPath(), json.getBytes(StandardCharsets.UTF_8));
        return new Job(root, runs, new Setup(), said::add).run(arguments);
    }

    private final class Setup implements Job.Setup {
        @Override
        public Engines engines(Request request) {
            return (runtime, timing) -> new EngineRuntime() {
                @Override
                public Engine load(File file, List<long[]> shapes) {
                    FakeEngine engine = new FakeEngine(new FakeClock());
                    engine.costNs = number -> 0;
                    return engine;
                }

                @Override
                public Map<String, String> facts() {
                    return Collections.emptyMap();
                }
            };
        }

        @Override
        public Platform platform() {
            return new FakePlatform();
        }

        @Override
        public JobFile.Status status(File path) {
            return new JobFile.Status(owner, path.isDirectory() ? 0755 : 0644, path.isFile(), path.isDirectory());
        }

        @Override
        public void kill(String reason) {
            throw new AssertionError(reason);
        }
    }

    private void refused(String why, Object... changes) {
        Refused refused = assertThrows(Refused.class, () -> run(changes));
        assertTrue(refused.getMessage(), refused.getMessage().contains(why));
        assertFalse("nothing is written", new File(runs, "test/response.json").exists());
    }

    @Test
    public void whatIsHandedBackTellsAWholeResponseFromATornOne() throws Exception {
        Map<String, String> found = run("timing.warmup_runs", 0L);
        File response = new File(runs, "test/response.json");
        assertEquals(Long.toString(response.length()), found.get("response_bytes"));
        assertEquals(Sha256.of(response), found.get("response_sha256"));
        assertEquals("", ResponseReader.read(JobFile.text(response)).results.get(0).failure);
        assertTrue(said.toString(), said.contains("timing tflite/a"));
        assertEquals("beginning run test", said.get(0));
    }

    @Test
    public void anothersJobIsNotRun() {
        owner = 10123;
        refused("belongs to user 10123");
    }

    @Test
    public void aJobOfAnotherRunIsNotRun() {
        arguments.put("run_id", "other");
        refused("the job is of run 'test', not of 'other'");
    }

    @Test
    public void aRunNeedsANameAJobAndADeadlineThatCanBe() {
        arguments.put("run_id", "../x");
        refused("is not made of");
        arguments.put("run_id", "test");
        for (String secs : new String[] {"-1", "1e9", "999999", "NaN", ""}) {
            arguments.put("deadline_secs", secs);
            refused("deadline_secs");
        }
        arguments.remove("deadline_secs");
        arguments.remove("job");
        refused("there is no job");
    }

    @Test
    public void aModelOutsideOfOurFoldersIsNotOpened() throws Exception {
        run("builds", Collections.singletonList(Fakes.build("tflite/a", "../../../a.tflite")));
        Response response = ResponseReader.read(JobFile.text(new File(runs, "test/response.json")));
        assertTrue(response.results.get(0).failure.contains("leads out of"));
    }

    @Test
    public void aPacedRunGoesOnWhenAFileSaysSo() throws Exception {
        Map<String, Object> block = new LinkedHashMap<>();
        block.put("build", 0L);
        block.put("calls", 5L);
        for (String name : new String[] {"go.1", "go.2", "finish"}) {
            Files.write(new File(folder, name).toPath(), new byte[0]);
        }
        run("paced", true, "plan", Arrays.asList(block, block, block), "timing.warmup_runs", 0L);
        List<String> answers = new ArrayList<>(said);
        answers.retainAll(Arrays.asList(Channel.READY, Channel.DONE));
        assertEquals(Arrays.asList(Channel.READY, Channel.DONE, Channel.DONE), answers);
        Response response = ResponseReader.read(JobFile.text(new File(runs, "test/response.json")));
        assertEquals(2, response.results.get(0).blocks.size());
    }

    @Test
    public void aRunThatWaitsTooLongSaysSoInItsResponse() throws Exception {
        Map<String, Object> block = new LinkedHashMap<>();
        block.put("build", 0L);
        block.put("calls", 5L);
        arguments.put("deadline_secs", "0.3");
        run("paced", true, "plan", Collections.singletonList(block), "timing.warmup_runs", 0L);
        Response response = ResponseReader.read(JobFile.text(new File(runs, "test/response.json")));
        assertEquals("the deadline of 0.3 s is over", response.results.get(0).failure);
    }

    @Test
    public void aCancelledPacedRunEnds() throws Exception {
        Control control = new Control();
        control.stop("the run was cancelled");
        assertThrows(Refused.class, () -> new FolderChannel(folder, said::add, control).hear());
    }

    @Test
    public void resultsAreGivenToTheShellForReadingAlone() throws Exception {
        List<String> path = Arrays.asList("test", "response.json");
        for (int caller : new int[] {0, 1000, 2000}) {
            assertEquals(new File(runs, "test/response.json"), Results.file(runs, path, "r", caller));
        }
        assertThrows(SecurityException.class, () -> Results.file(runs, path, "r", 10123));
        for (String mode : new String[] {"w", "rw", "rwt", "", null}) {
            assertThrows(SecurityException.class, () -> Results.file(runs, path, mode, 2000));
        }
        for (List<String> other : Arrays.asList(
                Collections.<String>emptyList(),
                Collections.singletonList("test"),
                Arrays.asList("..", "secret"),
                Arrays.asList("test", "../../secret"),
                Arrays.asList("test", "..%2Fsecret"),
                Arrays.asList("test", ".hidden"))) {
            assertThrows(SecurityException.class, () -> Results.file(runs, other, "r", 2000));
        }
        assertTrue(new File(runs, "test").mkdirs());
        Files.createSymbolicLink(new File(runs, "test/link").toPath(), new File("/etc/passwd").toPath());
        assertThrows(SecurityException.class, () -> Results.file(runs, Arrays.asList("test", "link"), "r", 2000));
    }
}
