package org.pocketbench.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.Before;
import org.junit.Test;
import org.pocketbench.core.Fakes.FakeChannel;
import org.pocketbench.core.Fakes.FakeClock;
import org.pocketbench.core.Fakes.FakeEngine;
import org.pocketbench.core.Fakes.FakePlatform;

/** A whole request, on engines whose time is made up. */
public class WorkerTest {
    private final FakeClock clock = new FakeClock();
    private final FakePlatform platform = new FakePlatform();
    private final Control control = new Control();
    private final List<String> log = new ArrayList<>();
    private final Map<String, FakeEngine> engines = new LinkedHashMap<>();
    private File folder;
    private Error missing;
    private double deadVolts = -1;

    @Before
    public void engines() throws Exception {
        folder = Fakes.folder();
        engines.put("a.tflite", new FakeEngine(clock));
        engines.put("b.tflite", new FakeEngine(clock));
        byte[] oneToFour = {0, 0, -128, 63, 0, 0, 0, 64, 0, 0, 64, 64, 0, 0, -128, 64};
        Files.write(new File(folder, "in.bin").toPath(), oneToFour);
    }

    private EngineRuntime started(String runtime, Request.Timing timing) throws Refused {
        if (runtime.equals("executorch")) {
            throw new Refused("this app has no executorch", "install the other");
        }
        return new EngineRuntime() {
            @Override
            public Engine load(File file, List<long[]> shapes) {
                clock.nowNs += 5_000_000;
                if (missing != null) {
                    throw missing;
                }
                return engines.get(file.getName());
            }

            @Override
            public Map<String, String> facts() {
                return Collections.singletonMap("runtime_version", "1");
            }
        };
    }

    private Response serve(Channel channel, Map<String, Object> json) throws Refused {
        Setting setting =
                new Setting(Folder.open(folder), this::started, platform, control, log::add, clock);
        return new Worker(Fakes.read(json), setting, channel).serve();
    }

    private static Map<String, Object> twoBuilds(Object... changes) {
        Map<String, Object> json = Fakes.request(changes);
        json.put("builds", Arrays.asList(Fakes.build("tflite/a", "a.tflite"), Fakes.build("tflite/b", "b.tflite")));
        return json;
    }

    private static Object planned(long build, long calls) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("build", build);
        json.put("calls", calls);
        return json;
    }

    private static Map<String, Object> samples() {
        Map<String, Object> file = new LinkedHashMap<>();
        file.put("path", "in.bin");
        file.put("dtype", "float32");
        file.put("shape", new long[] {1, 2});
        file.put("samples", 2L);
        return file;
    }

    @Test
    public void oneBuildIsMeasured() throws Refused {
        Response response = serve(null, Fakes.request());
        BuildResult result = response.results.get(0);
        assertEquals("", result.failure);
        assertEquals(5_000_000, result.loadNs);
        assertEquals(1_000_000, result.firstInferenceNs);
        assertEquals(4, result.blocks.size());
        assertEquals(10, result.blocks.get(0).wallNs.length);
        assertTrue(result.steady && result.warmup.wallNs.length > 40);
        assertEquals("FAKE", result.delegation.delegate);
        assertNotNull(result.memory.get("peak_rss_mb"));
        assertEquals("fake", result.facts.get("engine"));
        assertEquals("1", result.facts.get("calls_per_sample"));
        assertEquals("fake", response.facts.get("platform"));
        assertEquals("1", response.facts.get("runtime_version"));
        assertEquals("0", response.facts.get("garbage_collections"));
        assertEquals(4, platform.blocks);
        assertTrue(engines.get("a.tflite").closed);
        assertNull(result.energy);
    }

    @Test
    public void everySampleIsRunOnceForItsOutputs() throws Exception {
        Map<String, Object> json = Fakes.request("inputs", Collections.singletonList(samples()), "outputs", "out");
        BuildResult result = serve(null, json).results.get(0);
        assertEquals("", result.failure);
        assertEquals("out/output_0.bin", result.outputFiles.get(0).path);
        assertEquals(2, result.outputFiles.get(0).samples);
        byte[] bytes = Files.readAllBytes(new File(folder, "out/output_0.bin").toPath());
        byte[] doubled = {0, 0, 0, 64, 0, 0, -128, 64, 0, 0, -64, 64, 0, 0, 0, 65};
        assertEquals("2, 4, 6, 8", Arrays.toString(doubled), Arrays.toString(bytes));
        assertEquals(2, engines.get("a.tflite").resets);
        assertTrue("both samples take turns", engines.get("a.tflite").fed.containsAll(Arrays.asList("1.0", "3.0")));
        assertEquals("0", result.facts.get("non_finite_outputs"));
    }

    @Test
    public void twoBuildsAlternate() throws Refused {
        Response response = serve(null, twoBuilds("timing.blocks", 2L));
        List<Block> first = response.results.get(0).blocks;
        List<Block> second = response.results.get(1).blocks;
        assertTrue("A B", first.get(0).startNs < second.get(0).startNs);
        assertTrue("B A", second.get(1).startNs < first.get(1).startNs);
        assertEquals(40, first.get(0).wallNs.length + first.get(1).wallNs.length);
    }

    @Test
    public void aPlanIsFollowed() throws Refused {
        Response response = serve(null, twoBuilds("plan", Arrays.asList(planned(1, 7), planned(0, 3), planned(1, 2))));
        assertEquals(1, response.results.get(0).blocks.size());
        assertEquals(7, response.results.get(1).blocks.get(0).wallNs.length);
        assertEquals(2, response.results.get(1).blocks.get(1).wallNs.length);
    }

    @Test
    public void aBlockSendsBackNoMoreSamplesThanAskedFor() throws Refused {
        BuildResult result = serve(null, Fakes.request("plan", Collections.singletonList(planned(0, 100)),
                "samples_per_block", 10L)).results.get(0);
        assertEquals(10, result.blocks.get(0).wallNs.length);
    }

    @Test
    public void aPacedWorkerTimesABlockWhenItIsTold() throws Refused {
        FakeChannel channel = new FakeChannel(Channel.GO, Channel.GO, Channel.FINISH);
        Map<String, Object> json = twoBuilds("paced", true,
                "plan", Arrays.asList(planned(0, 3), planned(1, 3), planned(0, 3), planned(1, 3)));
        Response response = serve(channel, json);
        assertEquals(Arrays.asList(Channel.READY, Channel.DONE, Channel.DONE), channel.said);
        assertEquals(1, response.results.get(0).blocks.size());
        assertEquals(1, response.results.get(1).blocks.size());
    }

    @Test
    public void aPacedWorkerSaysWhichBuildWasRefused() throws Refused {
        engines.get("b.tflite").failsAt = 1;
        FakeChannel channel = new FakeChannel(Channel.GO);
        Response response =
                serve(channel, twoBuilds("paced", true, "plan", Collections.singletonList(planned(0, 3))));
        assertEquals(Collections.singletonList(
                "failed tflite/b: the build failed when it was run: node 7 failed"), channel.said);
        assertEquals("the other one is told too", "", response.results.get(0).failure);
    }

    @Test
    public void oneBuildsFailureLeavesTheOthersAlone() throws Refused {
        engines.get("a.tflite").failsAt = 60;
        Response response = serve(null, twoBuilds());
        assertEquals("the build failed when it was run: node 7 failed", response.results.get(0).failure);
        assertTrue("its numbers are void", response.results.get(0).blocks.isEmpty());
        assertFalse(response.results.get(0).steady);
        assertEquals(4, response.results.get(1).blocks.size());
        assertTrue(log.contains("giving up tflite/a: the build failed when it was run: node 7 failed"));
    }

    @Test
    public void aLibraryThatCannotBeLoadedIsTheFailureOfItsBuilds() throws Refused {
        missing = new UnsatisfiedLinkError("dlopen failed: libexecutorch.so is 4096-byte aligned");
        Response response = serve(null, twoBuilds());
        for (BuildResult result : response.results) {
            assertEquals("the runtime cannot be loaded: UnsatisfiedLinkError: dlopen failed: libexecutorch.so is"
                    + " 4096-byte aligned; install an app that holds it", result.failure);
        }
    }

    @Test
    public void aBuildThatIsTooLargeForJavaIsAFailureOfItsOwn() throws Refused {
        missing = new OutOfMemoryError("Failed to allocate 800 MB");
        BuildResult result = serve(null, Fakes.request()).results.get(0);
        assertEquals("Java ran out of memory while loading: Failed to allocate 800 MB; measure it with smaller inputs"
                + " or outputs", result.failure);
    }

    @Test
    public void aFileOfAnotherContentIsNeverLoaded() throws Exception {
        Files.write(new File(folder, "a.tflite").toPath(), new byte[] {1});
        BuildResult result = serve(null, Fakes.request()).results.get(0);
        assertTrue(result.failure, result.failure.contains("is not the file that was asked for"));
        assertEquals(0, engines.get("a.tflite").calls);
    }

    @Test
    public void aRuntimeThatIsNotThereIsTheFailureOfItsBuilds() throws Refused {
        Map<String, Object> json = twoBuilds();
        @SuppressWarnings("unchecked")
        Map<String, Object> first = (Map<String, Object>) ((List<?>) json.get("builds")).get(0);
        first.put("runtime", "executorch");
        Response response = serve(null, json);
        assertEquals("this app has no executorch; install the other", response.results.get(0).failure);
        assertEquals("", response.results.get(1).failure);
    }

    @Test
    public void aCancelledRunIsTheFailureOfWhatWasNotDone() throws Refused {
        control.stop("the run was cancelled");
        Response response = serve(null, Fakes.request());
        assertEquals("the run was cancelled", response.results.get(0).failure);
    }

    @Test
    public void aCounterOfEnergyIsReadWhileIdleAndAroundTheBlocks() throws Refused {
        platform.counter = new EnergyCounter() {
            private double left = 1000;

            @Override
            public String source() {
                return "fake";
            }

            @Override
            public String kind() {
                return "charge_uah";
            }

            @Override
            public double read() {
                return left--;
            }

            @Override
            public double volts() {
                return left < deadVolts ? Double.NaN : 3.9;
            }

            @Override
            public boolean charging() {
                return left < 985;
            }

            @Override
            public Double quantum() {
                return null;
            }

            @Override
            public Double refreshSecs() {
                return null;
            }
        };
        Map<String, Object> trace = serve(null, Fakes.request("timing.min_secs", 0.02)).results.get(0).energy;
        List<?> blocks = (List<?>) trace.get("blocks");
        assertEquals(3, blocks.size());
        Map<?, ?> load = (Map<?, ?>) blocks.get(1);
        assertEquals("load", load.get("kind"));
        assertEquals(5, ((double[]) load.get("counter")).length);
        assertEquals(5, ((double[]) load.get("voltage_v")).length);
        assertEquals(40L, load.get("inferences"));
        assertEquals(11, ((double[]) ((Map<?, ?>) blocks.get(2)).get("counter")).length);
        assertEquals(true, trace.get("charging"));
        deadVolts = 960; // within the load of this second run
        Map<?, ?> half = (Map<?, ?>) ((List<?>) serve(null, Fakes.request("timing.min_secs", 0.02)).results.get(0)
                .energy.get("blocks")).get(1);
        assertEquals("a voltage that is told at times is none", 0, ((double[]) half.get("voltage_v")).length);
        Response shared = serve(null, twoBuilds("timing.min_secs", 0.02));
        assertNull("two builds share no counter", shared.results.get(0).energy);
    }

    @Test
    public void theResponseIsWrittenWholeAndReadByTheTwinsRules() throws Exception {
        File place = new File(folder, "response.json");
        serve(null, Fakes.request("inputs", Collections.singletonList(samples()), "outputs", "out")).write(place);
        assertEquals("test", ResponseReader.read(JobFile.text(place)).runId);
        assertFalse(new File(folder, "response.json.tmp").exists());
    }
}
