package org.pocketbench.core;

import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.nio.file.Files;
import org.junit.Before;
import org.junit.Test;

/** How a run is stopped from outside. */
public class DeadlineTest {
    private final Control control = new Control();
    private File folder;

    @Before
    public void aFolder() throws Exception {
        folder = Fakes.folder();
    }

    @Test
    public void theDeadlineStopsARunAndThenEndsIt() throws Exception {
        Runnable[] ended = {null};
        Deadline deadline = new Deadline(control, 0.0, new File(folder, "cancel"), () -> ended[0] = () -> {}, 0.1);
        deadline.start();
        deadline.join(5000);
        assertTrue(control.stopped());
        assertNotNull("a call that never comes back", ended[0]);
    }

    @Test
    public void aFileNamedCancelStopsARun() throws Exception {
        Files.write(new File(folder, "cancel").toPath(), new byte[0]);
        Deadline deadline = new Deadline(control, 1000, new File(folder, "cancel"), () -> {});
        deadline.start();
        for (int i = 0; i < 100 && !control.stopped(); i++) {
            Thread.sleep(20);
        }
        deadline.end();
        deadline.join(2000);
        assertTrue(control.stopped());
        assertFalse(deadline.isAlive());
    }
}
