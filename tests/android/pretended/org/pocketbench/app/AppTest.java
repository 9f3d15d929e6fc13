package org.pocketbench.app;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import android.Phone;
import android.content.Context;
import android.net.Uri;
import android.os.Build;
import android.os.Bundle;
import android.os.ParcelFileDescriptor;
import java.io.File;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.Map;
import org.junit.Before;
import org.junit.Test;
import org.pocketbench.core.EnergyCounter;

/** The app's Android code on a pretended Android: its own decisions, not Android's. */
public class AppTest {
    private final Context context = new Context();
    private final AndroidPlatform platform = new AndroidPlatform(context);
    private final BenchActivity page = new BenchActivity();

    @Before
    public void aPhone() throws Exception {
        Build.VERSION.SDK_INT = 34;
        Phone.interactive = true;
        Phone.sustainedSupported = false;
        Phone.secureLock = false;
        Phone.thermalStatus = 0;
        Phone.headroom = 0.5f;
        Phone.headroomAsked = 0;
        Phone.charge = 2_000_000;
        Phone.millivolts = 3900;
        Phone.plugged = 0;
        Phone.priority = -8;
        Phone.caller = 2000;
        Phone.windowFlags = 0;
        Phone.lockDismissed = false;
        Phone.SAID.clear();
        Phone.media = Files.createTempDirectory("media").toFile();
        page.onCreate(null);
        page.onResume();
        Phone.windowFlags = 0;
        Phone.lockDismissed = false;
    }

    @Test
    public void aRunInFrontIsToldAsThat() {
        platform.begin(true);
        platform.blockEnded();
        Map<String, String> facts = platform.facts();
        assertEquals("true", facts.get("on_top_throughout"));
        assertEquals("false", facts.get("debuggable"));
        assertEquals("-8", facts.get("thread_priority"));
        assertEquals("34", facts.get("android_sdk"));
        assertEquals("0", facts.get("thermal_status_during"));
        assertEquals("0.500", facts.get("thermal_headroom"));
        assertEquals("2000000", facts.get("battery_charge_uah"));
    }

    @Test
    public void whatCameInFrontInTheMiddleIsNotForgotten() {
        platform.begin(true);
        page.onPause();
        platform.blockEnded();
        page.onResume();
        platform.blockEnded();
        assertEquals("false", platform.facts().get("on_top_throughout"));
    }

    @Test
    public void aScreenThatWentOffIsNotInFront() {
        platform.begin(true);
        Phone.interactive = false;
        platform.blockEnded();
        assertEquals("false", platform.facts().get("on_top_throughout"));
    }

    @Test
    public void aPageThatNeverCameIsNotInFront() {
        platform.begin(false);
        platform.blockEnded();
        assertEquals("false", platform.facts().get("on_top_throughout"));
    }

    @Test
    public void headroomIsAskedOnceASecondAtMost() throws Exception {
        platform.begin(true);
        for (int i = 0; i < 50; i++) {
            platform.blockEnded();
        }
        assertEquals(1, Phone.headroomAsked);
        Phone.thermalStatus = 3;
        Phone.headroom = Float.NaN;
        Thread.sleep(1050);
        platform.blockEnded();
        Phone.thermalStatus = 0;
        assertEquals(2, Phone.headroomAsked);
        assertEquals("the worst of all times", "3", platform.facts().get("thermal_status_during"));
        assertEquals("NaN is nothing", "0.500", platform.facts().get("thermal_headroom"));
    }

    @Test
    public void anOldAndroidIsNotAskedWhatItDoesNotKnow() {
        Build.VERSION.SDK_INT = 28;
        platform.begin(true);
        assertEquals(0, Phone.headroomAsked);
        assertFalse(platform.facts().containsKey("thermal_status_during"));
        assertFalse(platform.facts().containsKey("thermal_headroom"));
    }

    @Test
    public void aDebuggableAppSaysSo() {
        context.getApplicationInfo().flags = 2;
        platform.begin(true);
        assertEquals("true", platform.facts().get("debuggable"));
    }

    @Test
    public void aBatteryThatDoesNotCountIsNoCounter() {
        for (long none : new long[] {Long.MIN_VALUE, Integer.MIN_VALUE, 0}) {
            Phone.charge = none;
            assertNull(platform.energy());
        }
        Phone.charge = 5;
        EnergyCounter counter = platform.energy();
        assertEquals(5, counter.read(), 0);
        assertEquals(3.9, counter.volts(), 1e-9);
        assertFalse(counter.charging());
        Phone.plugged = 2;
        Phone.millivolts = 0;
        assertTrue(counter.charging());
        assertTrue("0 V is no voltage", Double.isNaN(counter.volts()));
        Phone.charge = Long.MIN_VALUE;
        assertTrue(Double.isNaN(counter.read()));
    }

    @Test
    public void thePageStaysOnOverTheLockOnEveryAndroid() {
        for (int version : new int[] {26, 27, 36}) {
            Build.VERSION.SDK_INT = version;
            Phone.windowFlags = 0;
            new BenchActivity().onCreate(null);
            assertEquals(7, Phone.windowFlags);
            assertTrue(Phone.lockDismissed);
        }
        Phone.lockDismissed = false;
        Phone.secureLock = true;
        new BenchActivity().onCreate(null);
        assertFalse("nobody is there to type the secret", Phone.lockDismissed);
    }

    @Test
    public void theSustainedClockIsHeldWhereAPhoneHasOne() {
        Phone.sustainedSupported = true;
        new BenchActivity().onCreate(null);
        assertTrue(BenchActivity.isSustained());
        assertTrue(Phone.SAID.contains("sustained true"));
    }

    @Test
    public void resultsAreReadByTheShellAlone() throws Exception {
        File run = new File(Phone.media, "runs/r1");
        assertTrue(run.mkdirs());
        Files.write(new File(run, "response.json").toPath(), new byte[] {1});
        ResultsProvider provider = new ResultsProvider();
        Uri uri = new Uri("r1", "response.json");
        ParcelFileDescriptor found = provider.openFile(uri, "r");
        assertEquals(new File(run, "response.json"), found.file);
        assertEquals(ParcelFileDescriptor.MODE_READ_ONLY, found.mode);
        assertThrows(SecurityException.class, () -> provider.openFile(uri, "rw"));
        Phone.caller = 10123;
        assertThrows(SecurityException.class, () -> provider.openFile(uri, "r"));
        assertThrows(SecurityException.class, () -> provider.query(uri, null, null, null, null));
        assertThrows(SecurityException.class, () -> provider.insert(uri, null));
        assertThrows(SecurityException.class, () -> provider.update(uri, null, null, null));
        assertThrows(SecurityException.class, () -> provider.delete(uri, null, null));
        Phone.media = null;
        Phone.caller = 2000;
        assertThrows(java.io.FileNotFoundException.class, () -> provider.openFile(uri, "r"));
    }

    @Test
    public void aJobThatIsNotOursEndsWithTheReasonAtAnAppsOwnPriority() {
        BenchInstrumentation run = new BenchInstrumentation();
        Bundle asked = new Bundle();
        asked.putString("run_id", "r1");
        asked.putString("job", "/etc/passwd");
        asked.putString("other", "is not looked at");
        run.onCreate(asked);
        assertEquals(0, run.code);
        assertTrue(run.results.all.get("reason"), run.results.all.get("reason").contains("/etc/passwd is not trusted"));
        assertEquals(0, Phone.priority);
        assertTrue(BenchActivity.isOnTop());
    }

    @Test
    public void aRunWithoutArgumentsEndsWithTheReason() {
        BenchInstrumentation run = new BenchInstrumentation();
        run.onCreate(null);
        assertEquals(0, run.code);
        assertTrue(run.results.all.get("reason").contains("run id 'null'"));
    }

    @Test
    public void aCallThatDoesNotComeBackIsLoggedBeforeTheProcessIsEnded() {
        new AndroidSetup(platform).kill("a call did not come back");
        assertEquals(Arrays.asList("pocketbench: a call did not come back", "killed"), Phone.SAID);
    }
}
