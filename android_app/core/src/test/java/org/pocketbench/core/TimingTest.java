package org.pocketbench.core;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.Test;
import org.pocketbench.core.Fakes.FakeClock;
import org.pocketbench.core.Fakes.FakeEngine;

/** Stopwatch, warm-up rule and loop, on a clock that moves only with the calls. */
public class TimingTest {
    private final FakeClock clock = new FakeClock();
    private final FakeEngine engine = new FakeEngine(clock);
    private final Control control = new Control();

    /** A run queue that says what it is told to. */
    private static final class Queue extends RunQueue {
        long waitedNs;

        Queue() {
            super(null);
        }

        @Override
        long waitedNs() {
            return waitedNs;
        }
    }

    private Loop loop(Object... changes) throws Refused {
        return loop(null, changes);
    }

    private Loop loop(RunQueue queue, Object... changes) throws Refused {
        Request request = Fakes.read(Fakes.request(changes));
        return new Loop(new Stopwatch(clock, queue), clock, engine, () -> {}, request.timing, control);
    }

    @Test
    public void aSampleIsWhatPassedLessTheCostOfTheClock() {
        clock.lookNs = 30;
        Stopwatch watch = new Stopwatch(clock, null);
        assertEquals(30, watch.probeNs);
        watch.time(engine, 1);
        assertEquals(1_000_000, watch.wallNs);
        watch.time(engine, 3);
        assertEquals(3_000_000, watch.wallNs);
        assertEquals(0, watch.waitNs);
    }

    @Test
    public void theWaitWithinACallIsTold() {
        Queue queue = new Queue();
        Stopwatch watch = new Stopwatch(clock, queue);
        watch.time(() -> {
            clock.nowNs += 900;
            queue.waitedNs += 400;
        }, 1);
        assertEquals(900, watch.wallNs);
        assertEquals(400, watch.waitNs);
    }

    @Test
    public void aPreemptionBesideTheCallIsTakenOffTheWait() {
        assertEquals(400, Stopwatch.within(900, 1400, 1000));
        assertEquals(0, Stopwatch.within(900, 1000, 1000));
        assertEquals(900, Stopwatch.within(900, 5000, 0));
        assertEquals("cold caches are no preemption", 300, Stopwatch.within(900, 300, 100));
        assertEquals(0, Stopwatch.within(900, -5, 0));
    }

    @Test
    public void theRuleAgreesWithTheTwinInPython() throws Refused {
        File file = new File(System.getProperty("pocketbench.fixtures"), "../loop/steadiness.json");
        List<?> cases = (List<?>) Json.read(JobFile.text(file));
        assertTrue(cases.size() >= 6);
        for (Object one : cases) {
            Fields fields = Fields.of(one, "$");
            Steadiness rule = new Steadiness(fields.number("allowed_secs"));
            List<Long> met = new ArrayList<>();
            long number = 0;
            for (double duration : fields.numbers("durations_ns", false)) {
                if (rule.add(duration)) {
                    met.add(number);
                }
                number++;
            }
            Long first = met.isEmpty() ? null : met.get(0);
            assertEquals(fields.text("name"), fields.wholeOrNull("first_met"), first);
            assertEquals(fields.text("name"), fields.count("times_met", 0), met.size());
        }
    }

    @Test
    public void aShortCallIsTimedManyAtATime() throws Refused {
        engine.costNs = number -> 5_000;
        Loop loop = loop();
        loop.first();
        loop.size(loop.lastWallNs(), () -> true);
        assertEquals(250, loop.callsPerSample);
        Block block = loop.block(600, 0, 1);
        assertEquals("600 calls are three samples of 250", 3, block.wallNs.length);
        assertEquals(1_250_000, block.wallNs[0]);
    }

    @Test
    public void aCallThatSpoilsItsInputIsTimedAlone() throws Refused {
        engine.costNs = number -> 5_000;
        Loop loop = loop();
        loop.size(5_000, () -> false);
        assertEquals(1, loop.callsPerSample);
    }

    @Test
    public void aSlowFirstCallIsSizedByItselfAlone() throws Refused {
        Loop loop = loop();
        loop.size(50_000_000, () -> true);
        assertEquals(0, engine.calls);
        assertEquals(1, loop.callsPerSample);
    }

    @Test
    public void aBlockLastsForItsCallsAndItsTime() throws Refused {
        Loop loop = loop();
        assertEquals(10, loop.block(10, 0, 1).wallNs.length);
        assertEquals(50, loop.block(10, 0.05, 1).wallNs.length);
        assertFalse(loop.cutShort);
    }

    @Test
    public void maxSecsEndsABlockButNotBeforeItsFirstSample() throws Refused {
        engine.costNs = number -> 400_000_000;
        Loop loop = loop("timing.max_secs", 1.0);
        assertEquals("400, 800, 1200 ms", 3, loop.block(10, 0, 1).wallNs.length);
        assertTrue(loop.cutShort);
        assertTrue(loop.leftNs() < 0);
        assertEquals(0, loop.block(10, 0, 1).wallNs.length);
    }

    @Test
    public void aBlockTakesNoMoreThanItsShare() throws Refused {
        Loop loop = loop("timing.max_secs", 1.0);
        assertEquals(250, loop.block(10_000, 0, 0.25).wallNs.length);
        assertEquals(750_000_000, loop.leftNs());
    }

    @Test
    public void theWarmUpEndsWhenItIsSteadyAndLongEnough() throws Refused {
        Loop loop = loop("timing.warmup_min_secs", 0.2, "timing.warmup_max_secs", 5.0);
        Block warmup = loop.warmUp();
        assertTrue(loop.steady);
        assertEquals(200, warmup.wallNs.length);
        assertNull(warmup.canaryNs);
    }

    @Test
    public void theWarmUpGivesUpAtItsLimit() throws Refused {
        engine.costNs = number -> number % 20 < 10 ? 1_000_000 : 9_000_000;
        Loop loop = loop("timing.warmup_max_secs", 0.5);
        Block warmup = loop.warmUp();
        assertFalse(loop.steady);
        assertTrue(warmup.wallNs.length > 50);
    }

    @Test
    public void noWarmUpIsNone() throws Refused {
        Loop loop = loop("timing.warmup_runs", 0L);
        assertEquals(0, loop.warmUp().wallNs.length);
        assertFalse(loop.steady);
        assertEquals(0, engine.calls);
    }

    @Test
    public void theInputsTakeTurns() throws Refused {
        Loop loop = loop();
        List<String> fed = new ArrayList<>();
        loop.rotate(Arrays.asList(() -> fed.add("a"), () -> fed.add("b"), () -> fed.add("c")));
        loop.block(4, 0, 1);
        assertEquals(Arrays.asList("a", "b", "c", "a"), fed);
    }

    @Test
    public void severalThreadsHaveNoWaitThatMeansAnything() throws Refused {
        Queue queue = new Queue();
        assertEquals(0, loop(queue, "timing.num_threads", 2L).block(3, 0, 1).waitNs.length);
        assertEquals(3, loop(queue, "timing.num_threads", 1L).block(3, 0, 1).waitNs.length);
    }

    @Test
    public void aStoppedRunEndsBetweenTwoSamples() throws Refused {
        engine.costNs = number -> {
            if (number == 4) {
                control.stop("the run was cancelled");
            }
            return 1_000_000;
        };
        Loop loop = loop();
        assertThrows(Refused.class, () -> loop.block(10, 0, 1));
        assertEquals(4, engine.calls);
    }

    @Test
    public void thinningKeepsSamplesEvenlySpaced() {
        Block block = new Block(new long[] {0, 1, 2, 3, 4, 5, 6}, new long[] {6, 5, 4, 3, 2, 1, 0}, 2, 9L, 8L);
        Block thin = block.thinned(3);
        assertArrayEquals(new long[] {0, 2, 4}, thin.wallNs);
        assertArrayEquals(new long[] {6, 4, 2}, thin.waitNs);
        Map<String, Object> json = thin.toJson();
        assertEquals(2L, json.get("calls_per_sample"));
        assertEquals(9L, json.get("canary_ns"));
        assertEquals(8L, json.get("start_ns"));
        assertEquals(block, block.thinned(0));
        assertEquals(block, block.thinned(7));
        assertEquals(0, new Block(new long[9], new long[0], 1, null, null).thinned(4).waitNs.length);
    }

    @Test
    public void aCanaryTakesTimeOnTheRealClock() {
        assertTrue(new Stopwatch(Clock.SYSTEM, null).canaryNs() > 1_000);
        assertEquals(Collections.emptyList(), engine.fed);
    }

    @Test
    public void theWaitIsTheSecondNumberThatLinuxPrints() throws Exception {
        java.io.File file = java.io.File.createTempFile("schedstat", "");
        java.nio.file.Files.write(file.toPath(), "123456 789 12\n".getBytes("ascii"));
        try (RunQueue queue = new RunQueue(new java.io.FileInputStream(file).getChannel())) {
            assertEquals(789, queue.waitedNs());
        }
    }

    @Test
    public void theWarmUpHasAsManyCallsAsAreAskedForAlthoughItIsSteadyBefore() throws Refused {
        assertEquals(300, loop("timing.warmup_runs", 300L).warmUp().wallNs.length);
    }

    @Test
    public void memoryIsCountedFromTheMarkAndNotFromAnEarlierPeak() {
        touch(200 << 20);
        double peakMb = Linux.kilobytes(Linux.status(), "VmHWM") / 1024.0;
        MemoryMark mark = MemoryMark.set(new Fakes.FakePlatform() {
            @Override
            public void freeMemory() {
                System.gc();
                try {
                    Thread.sleep(200); // another thread of Java unmaps what is free
                } catch (InterruptedException error) {
                    throw new IllegalStateException(error);
                }
            }
        });
        double nowMb = (Double) mark.since().get("total_peak_rss_mb");
        assertTrue(nowMb + " of " + peakMb + " MB", nowMb < peakMb - 150);
    }

    private static void touch(int bytes) {
        java.nio.ByteBuffer all = java.nio.ByteBuffer.allocateDirect(bytes);
        for (int at = 0; at < bytes; at += 4096) {
            all.put(at, (byte) 1);
        }
    }

    @Test
    public void theRealRunQueueCountsForThisThread() throws Exception {
        RunQueue queue = RunQueue.ofThisThread();
        if (queue != null) { // a kernel that does not tell
            assertTrue(queue.waitedNs() >= 0);
            queue.close();
        }
    }

    @Test
    public void theProcesssShareOfMemoryIsToldWithWhatBacksIt() {
        java.util.Map<String, String> facts = MemoryMark.shareOfProcess();
        double whole = Double.parseDouble(facts.get("pss_mb"));
        double parts = Double.parseDouble(facts.get("pss_anon_mb")) + Double.parseDouble(facts.get("pss_file_mb"));
        assertTrue(facts.toString(), whole > 1 && parts > 0.5 * whole && parts < whole + 0.3);
    }
}
